from __future__ import annotations

import pytest

from semcache.core.personal import Personal, personal_kinds

HEX40 = "2fd4e1c67a2d28fced849ee1bb76e7391b93eb12"
HEX32 = "9e107d9d372bb6826bd81d3542a419d6"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("reset the login of jane.doe+shop@mail.acme.io please", "email"),
        ("why does JANE@ACME.CO.UK get no mail", "email"),
        ("\uff4a\uff41\uff4e\uff45@acme.com in wide letters", "email"),
        ("call me at +49 30 1234567", "phone"),
        ("my number is +1 (555) 867-5309", "phone"),
        ("(415) 867-5309 does not work", "phone"),
        ("415-867-5309", "phone"),
        ("06 12 34 56 78 est mon numero", "phone"),
        ("send an sms to 4158675309", "phone"),
        ("my card 4539 1488 0343 6467 was declined", "card"),
        ("4539148803436467", "card"),
        ("amex 3714-496353-98431", "card"),
        ("pay to DE89 3704 0044 0532 0130 00", "iban"),
        ("gb82west12345698765432", "iban"),
        ("my ssn is 219-09-9999", "national_id"),
        ("is AKIAIOSFODNN7EXAMPLE still valid", "key"),
        ("git push with ghp_16C7e42F292c6912E7710c838347Ae178B4a fails", "key"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abc-123 is expired", "key"),
        ("-----BEGIN RSA PRIVATE KEY----- what is wrong with it", "key"),
        ("sk-proj-a8Zk29fLq0Xw7TnB41cD gives 401", "key"),
        ("password: hunter22 is refused", "key"),
        ("my password is Tr0ub4dor&3", "key"),
        ("api_key=9f8a7b6c5d in the header", "key"),
        (f"the api key {HEX40} is refused", "key"),
        (f"what is {HEX32}", "key"),
        ("decode Zk8sQ1xW9vT3pLm7RbY2nJc5 for me", "key"),
        ("who owns 93.184.216.34", "ip_address"),
        ("ping 2606:2800:220:1:248:1893:25c8:1946", "ip_address"),
        ("clone https://jane:s3cr3tpw@git.acme.io/a.git", "url_password"),
        ("postgres://app:Qx71bbz@db/app refuses", "url_password"),
    ],
)
def test_what_is_personal_is_found(text: str, kind: str) -> None:
    """Each kind in the forms that people write it in."""
    assert kind in personal_kinds(text)


@pytest.mark.parametrize(
    "text",
    [
        "validate an address like user@example.com",
        "git clone git@github.com:acme/app.git",
        "scp a file to root@localhost",
        "install react@18.2.0 and @types/node@20.1.1",
        "use the @app.route decorator",
        "upgrade from 3.11.4 to 3.12.0",
        "pin numpy==1.26.4.0 and chrome 120.0.6099.71",
        "firmware version 4.12.7.9 does not boot",
        "listen on 0.0.0.0:8080 and not on 127.0.0.1:5432",
        "route 10.0.0.0/8 and 192.168.178.1 to the vpn",
        "set the resolver to 8.8.8.8",
        "fe80::1 is not reachable, ::1 is",
        "call std::vector<int>::size and a::b::c",
        "at 12:30:45:123 the log stops",
        "convert 2024-01-15 10:30:00 to a timestamp",
        "what is 1700000000 as a date, and 1700000000000",
        "raise the limit from 1 000 000 to 100 000 000",
        "phone number validation with a regex",
        "call 3 functions at once",
        "error 0x80070005 and exit code 137",
        "test with card 4242 4242 4242 4242",
        "the order 4539148803436468 is missing",
        f"revert commit {HEX40}",
        f"git cherry-pick {HEX40} fails",
        f"the md5 of the file is {HEX32}",
        "git show a1b2c3d",
        "the pod app-7d4b9c6f5-x2x9z restarts",
        "what does 550e8400-e29b-41d4-a716-446655440000 mean as a uuid",
        "AbstractSingletonProxyFactoryBean2 is what",
        "rename my-very-long-feature-branch-name-2024",
        "read src/main/java/com/acme/Service2/Handler3Factory",
        "where is CONFIG_DEBUG_INFO_COMPRESSED_ZLIB2 set",
        "token = get_token(user1)",
        "api_key=os.environ['KEY_1']",
        "password=$DB_PASSWORD1",
        "set password: <your-password-1>",
        "how to store a password with bcrypt",
        "token expired after upgrade to oauth2",
        "what is a secret in kubernetes",
        "postgresql://user:password@localhost:5432/db",
        "postgres://${USER}:${PASS1}@db/app",
        "http://localhost:3000/a@b",
        "the isbn 978-3-16-148410-0",
        "add login page",
        "",
    ],
)
def test_ordinary_technical_texts_are_not_personal(text: str) -> None:
    """Versions, ports, commits, placeholders and published test numbers stay."""
    assert personal_kinds(text) == ()


def test_kinds_come_once_and_in_one_order() -> None:
    """However often and in whatever order they stand in the text."""
    text = "ip 93.184.216.34, mail a@acme.io and b@acme.io, ssn 219-09-9999"
    assert personal_kinds(text) == (Personal.EMAIL, Personal.NATIONAL_ID, Personal.IP_ADDRESS)
