"""Word tables for twins and harmless rewordings: what may stand for what, in plain spelling. Tables only."""

from __future__ import annotations

from semcache.core.inflect import forms
from semcache.core.lexicon import EXCLUSIVE, PROPER, SYNONYMS

_VERB_PAIRS = """
add/remove append/remove insert/remove create/delete enable/disable install/uninstall import/export
upload/download push/pull merge/split lock/unlock encrypt/decrypt encode/decode compress/decompress zip/unzip
serialize/deserialize upgrade/downgrade increase/decrease raise/lower start/stop begin/stop open/close show/hide
display/hide expand/collapse maximize/minimize mount/unmount attach/detach connect/disconnect link/unlink
subscribe/unsubscribe follow/unfollow block/unblock archive/unarchive publish/unpublish allow/forbid approve/reject
accept/reject grant/revoke send/receive save/discard stage/unstage pause/resume activate/deactivate
protect/unprotect escape/unescape minify/beautify keep/discard include/exclude register/unregister write/read
load/unload wrap/unwrap deploy/undeploy assign/unassign pin/unpin mute/unmute tag/untag
normalize/denormalize flatten/nest validate/skip test/skip verify/skip configure/remove rotate/keep
freeze/unfreeze bind/unbind populate/empty join/split combine/separate implement/remove introduce/remove backup/restore
delete/restore disable/enable remove/add delete/create drop/create uninstall/install export/import download/upload
pull/push split/join unlock/lock decrypt/encrypt decode/encode decompress/compress unzip/zip downgrade/upgrade
decrease/increase lower/raise reduce/increase stop/start close/open hide/show collapse/expand unmount/mount
detach/attach disconnect/connect unsubscribe/subscribe unblock/block forbid/allow prevent/allow reject/approve
revoke/grant receive/send resume/pause deactivate/activate exclude/include restore/delete read/write
clear/fill undo/redo shrink/grow extend/shorten extract/insert strip/pad append/prepend prepend/append
kill/start ignore/enforce fetch/push
"""

_OTHER_PAIRS = """
ascending/descending oldest/newest largest/smallest biggest/smallest longest/shortest highest/lowest minimum/maximum
min/max uppercase/lowercase upper/lower public/private temporary/permanent local/remote odd/even before/after
above/below left/right horizontal/vertical horizontally/vertically top/bottom leading/trailing beginning/end
parent/child primary/secondary internal/external incoming/outgoing inbound/outbound input/output source/destination
client/server frontend/backend readable/unreadable writable/read-only hidden/visible visible/hidden static/dynamic
synchronous/asynchronous sync/async automatic/manual automatically/manually temporarily/permanently
older/newer larger/smaller bigger/smaller greater/smaller longer/shorter higher/lower earlier/later
production/staging staging/production development/production true/false valid/invalid required/optional
optional/required empty/non-empty unique/duplicate sorted/unsorted absolute/relative relative/absolute
light/dark dark/light rows/columns row/column columns/rows column/row prefix/suffix suffix/prefix width/height
same/different nested/flat mutable/immutable online/offline success/failure encrypted/unencrypted
signed/unsigned compressed/uncompressed recursively/non-recursively positive/negative numerator/denominator
keys/values key/value head/tail stdin/stdout stdout/stderr existing/new new/existing
executable/non-executable strict/lenient shallow/deep foreground/background common/distinct smallest/largest
lowercase/uppercase newest/oldest latest/oldest after/before trailing/leading private/public remote/local
bottom/top right/left even/odd maximum/minimum max/min descending/ascending lower/upper smaller/larger newer/older
"""


def _words(table: str) -> frozenset[str]:
    return frozenset(table.split())


def _pairs(table: str) -> list[tuple[str, str]]:
    return [(left, right) for left, _, right in (pair.partition("/") for pair in table.split())]


def _verb_swaps() -> dict[str, tuple[str, str, str]]:
    """Return for each form of a verb: the opposite's form, the base forms of both."""
    swaps: dict[str, tuple[str, str, str]] = {}
    for left, right in _pairs(_VERB_PAIRS):
        theirs = forms(right)
        for kind, form in forms(left).items():
            if kind in theirs:
                swaps.setdefault(form, (theirs[kind], left, right))
    return swaps


VERB_SWAPS = _verb_swaps()
"""For each form of a verb: the same form of its opposite, and the base forms of both."""

WORD_SWAPS = dict(reversed(_pairs(_OTHER_PAIRS)))
"""Adjectives, adverbs and nouns, and their opposites."""

TURNING = _words("""
add append attach connect detach disconnect download export extract import insert link load pull push read receive
remove send subscribe unlink unload unsubscribe upload write
""")
"""Verbs behind which "to" and "from" change places when the verb is turned over."""

OTHER_MODES = dict(
    _pairs("""
755/644 644/755 777/700 700/777 600/644 775/750 664/600
""")
)
"""File modes: numbers that may not simply be raised."""

OTHER_UNITS = dict(
    _pairs("""
seconds/minutes second/minute minutes/hours minute/hour hours/days hour/day days/weeks day/week weeks/months
week/month months/years month/year years/months year/month milliseconds/seconds ms/s secs/mins mins/hours sec/min
min/hours bytes/kilobytes byte/kilobyte kb/MB mb/GB gb/MB tb/GB kilobytes/megabytes megabytes/gigabytes
gigabytes/megabytes kib/MiB mib/GiB gib/MiB microseconds/milliseconds pixels/percent px/rem percent/pixels km/miles
miles/km dollars/euros euros/dollars k/M m/G g/M bits/bytes inches/centimeters hourly/daily daily/weekly
weekly/monthly monthly/yearly yearly/monthly
""")
)
"""For each unit another one, with which the same number means something else."""

OTHER_DAYS = dict(
    _pairs("""
today/yesterday yesterday/today tomorrow/today tonight/tomorrow today's/yesterday's yesterday's/today's
tomorrow's/today's
""")
)
"""Words for days, and other ones."""

LEGACY = dict(
    _pairs("""
python/2.7 javascript/1.5 typescript/2.0 php/5.6 ruby/1.9 postgres/9.6 postgresql/9.6 mysql/5.5 mongodb/3.2 redis/2.8
sqlite/3.6 elasticsearch/2.4 react/15 vue/2 angular/1.8 svelte/3 django/1.11 flask/0.12 rails/4 laravel/5 spring/4
ubuntu/14.04 debian/8 npm/5 yarn/1 pip/9 webpack/3 sqlalchemy/1.3 node/8 node.js/8 tensorflow/1.15 kubernetes/1.14
terraform/0.11 jest/24 pytest/4 cypress/9 next.js/12 nextjs/12 prisma/2 tailwind/1 poetry/1.1 fastapi/0.60 kafka/0.10
ansible/2.4 nginx/1.10 openssl/1.0 selenium/3
""")
)
"""Old versions that need another answer than today's."""

SPELLED = {
    word.lower(): word
    for word in _words("""
PostgreSQL MySQL MariaDB SQLite MongoDB DynamoDB GitHub GitLab JavaScript TypeScript CircleCI TeamCity AWS GCP
DigitalOcean macOS iOS FreeBSD CentOS RabbitMQ BullMQ NATS SQS PayPal HAProxy ECS REST GraphQL gRPC SOAP JSON YAML XML
CSV TOML HTML PDF TSV PNG JPEG GIF SVG WebP BMP TIFF OAuth SAML JWT LDAP SSO TOTP PHP MATLAB SQLAlchemy TypeORM
ClickHouse CockroachDB BigQuery OpenSearch CouchDB InfluxDB FastAPI NestJS SvelteKit jQuery SwiftUI npm pnpm pip uv
pipx pipenv conda LinkedIn WhatsApp ClickUp WebStorm IntelliJ PyCharm VSCode Neovim CloudFormation USA MD5 SHA1 SHA256
SHA512 CRC32 USD EUR GBP JPY INR CHF VBA ChatGPT JUnit RSpec SolidJS UTF
""")
} | {"postgres": "PostgreSQL"}
"""How names are spelt that do not just begin with a capital."""

UNSWAPPED = _words("""
alpine.js april astro august black blue boolean bootstrap-css brown bytes caddy capacitor cat chicken cow cursor daily
dart day december development dictionary docker-compose dog drizzle eclipse express.js february float franc friday
green grey horse hour hourly html integer january julia july june list march may minute monday month monthly nano
november october opera oracle orange pig pink plan pound production pulsar purple quarterly rabbit react-native red
remix render rest saturday second second-part september series set sheep signal spring-boot square staging string
sublime sunday swift tasks thursday tuesday tuple uv wednesday week weekly white year yearly yellow zig
""")
"""Members of exclusive sets that are common words, or belong to another kind of twin."""


def _name_groups() -> dict[str, tuple[str, ...]]:
    """Return for each name that may be swapped the other members of its set."""
    swapped = PROPER | {"data format", "image format", "hash"}
    groups: dict[str, tuple[str, ...]] = {}
    for kind, members in EXCLUSIVE.items():
        if kind in swapped:
            names = [name for name in members if name not in UNSWAPPED]
            for name in names:
                groups[name] = tuple(other for other in names if other != name)
    for first, *others in SYNONYMS:
        for other in others:
            if first in groups and other in {"postgresql", "k8s", "mongo"}:
                groups[other] = groups[first]
    return groups


NAME_GROUPS = _name_groups()
"""For each name that may be swapped: the other members of its set."""

OTHER_ENDINGS = dict(
    _pairs("""
py/js js/ts ts/js txt/csv csv/json json/yaml yaml/json jpg/png png/jpg gif/png html/css css/html php/html c/h h/c
cpp/hpp java/class class/java log/txt gz/bz2 bz2/gz tar/zip zip/tar sh/py mp3/wav wav/mp3 xml/json md/txt pdf/doc
doc/pdf bak/tmp tmp/bak sql/csv rb/py conf/ini o/a so/a jpeg/png mp4/avi avi/mp4 xls/csv tgz/zip pl/sh ini/conf
xlsx/csv htm/txt rar/zip
""")
)
"""For each file ending another one."""


CONDITIONS: tuple[tuple[frozenset[str], tuple[str, ...]], ...] = tuple(
    (_words(cues), tuple(condition.strip() for condition in conditions.split(",")))
    for cues, conditions in (
        (
            "file files folder directory directories path tree symlink permissions owner",
            (
                "without following symbolic links, excluding hidden files, skipping the empty ones, over ssh,"
                "without touching subdirectories, as another user, only on the remote host, as a dry run,"
                "but only those changed today, without asking for confirmation"
            ),
        ),
        (
            (
                "list string dictionary dict array dataframe tuple column columns numpy pandas regex python value"
                " values element elements key keys json csv"
            ),
            (
                "without using a loop, in place, in reverse order, ignoring case, only if it is not empty,"
                "without duplicates, except for the first element, without importing anything"
            ),
        ),
        (
            "line lines text output process processes command user users variable date number numbers",
            (
                "in reverse order, only for the root user, without root access, ignoring case, in the background,"
                "every five minutes, only on weekdays, without printing anything, on a remote machine"
            ),
        ),
        (
            "spec specification plan task tasks constitution",
            (
                "without overwriting my changes, only for a single feature, in a monorepo, retroactively,"
                "except for one feature, without git, on Windows, automatically in CI, without an AI assistant"
            ),
        ),
        (
            "",
            (
                "in production, without downtime, only for admins, permanently, temporarily, without losing data,"
                "for a single user only, without an internet connection, only on Windows, without admin rights,"
                "automatically every night, without changing the code, only in the test environment"
            ),
        ),
    )
)
"""Words that a text must have one of, and conditions that then change its answer. The last takes any text."""

SAFE_SYNONYMS = dict(
    _pairs("""
delete/remove remove/delete repository/repo repo/repository database/db db/database directory/folder folder/directory
directories/folders folders/directories configuration/config config/configuration environment/env kubernetes/k8s
documentation/docs docs/documentation application/app app/application parameter/param parameters/params image/picture
images/pictures picture/image show/display display/show find/locate locate/find verify/check fix/repair repair/fix
obtain/get retrieve/get dependency/dep dependencies/deps website/site site/website regex/regexp
repositories/repos databases/dbs applications/apps apps/applications deleting/removing removing/deleting quickly/fast
create/make begin/start execute/run run/execute running/executing executing/running select/choose choose/select
pick/choose calculate/compute compute/calculate message/msg messages/msgs button/btn administrator/admin
asynchronous/async asynchronously/async maximum/max minimum/min average/mean construct/build modify/change
password/passphrase employees/staff colleagues/coworkers determine/find rename/retitle
locates/finds displays/shows prints/outputs creates/makes deletes/removes removes/deletes finds/locates shows/displays
""")
)
"""Words, and what may stand for them anywhere without a change of the answer."""
