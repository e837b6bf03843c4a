"""Word tables: synonyms, opposites, exclusive sets, units, function words. Tables only, in plain spelling.

English, for software and for everyday questions. `words` stems them and puts them together; `twins` writes
texts with them. They reach fitted weights: a changed table changes what a fitted verifier means, so whoever
changes one fits anew.
"""

from __future__ import annotations


def _words(table: str) -> frozenset[str]:
    return frozenset(table.split())


def _lines(table: str) -> tuple[tuple[str, ...], ...]:
    """Return the words of each line that has any."""
    return tuple(tuple(line.split()) for line in table.splitlines() if line.strip())


def _pairs(table: str) -> tuple[tuple[str, str], ...]:
    """Return each "a/b" and, for "a/b,c", one pair for each word on the right."""
    split = [pair.partition("/") for pair in table.split()]
    return tuple((left, right) for left, _, rights in split for right in rights.split(","))


def _named(table: str) -> dict[str, tuple[str, ...]]:
    """Return the words of each "name: words" line; lines of one name belong together."""
    found: dict[str, tuple[str, ...]] = {}
    for line in table.strip().splitlines():
        name, _, words = line.partition(": ")
        found[name] = (*found.get(name, ()), *words.split())
    return found


def _meanings(table: str) -> dict[str, str]:
    """Return the meaning of each word of the "meaning: words" lines."""
    return {word: meaning for meaning, words in _named(table).items() for word in words}


def _phrases(table: str) -> dict[tuple[str, ...], str]:
    """Return what each phrase of the "meaning: a phrase, another phrase" lines means."""
    split = [line.partition(": ") for line in table.splitlines() if line.strip()]
    return {tuple(phrase.split()): meaning for meaning, _, phrases in split for phrase in phrases.split(", ")}


SYNONYMS = _lines("""
remove delete erase del rm purge discard eliminate
add put include introduce
create make
login signin logon
logout signoff logoff signout
signup register registration
database db databases
repository repo
configure config configuration cfg
authenticate auth authentication authn
authorize authz authorization authorise authorisation
environment env
directory folder dir
kubernetes k8s
javascript js
typescript ts
postgres postgresql pg
mongodb mongo
python py
documentation docs doc document
application app
administrator admin
production prod
development dev
parameter param
argument arg
function func fn method
variable var
image img picture pic photo
message msg
password passwd pwd passphrase
credential cred
permission perm
performance perf
asynchronous async
synchronous sync
fix repair solve resolve mend
begin start
stop halt
end finish
launch boot
use utilize utilise employ
display show
find locate
search lookup
obtain get fetch retrieve acquire receive
modify change alter amend
update refresh
rename retitle
move relocate
copy duplicate
replace substitute
combine join concatenate concat
divide split
enable activate
disable deactivate
verify check validate
test tests testing
build compile
run execute invoke
deploy deployment
rollback revert undo
restore recover
backup backups
choose select pick
compare contrast
calculate compute
convert transform
count tally
print echo
write compose
describe explain
teardown dismantle
cancel abort
close shut
quit exit leave
kill terminate
wait sleep pause
repeat loop iterate
schedule cron
monitor observe watch
measure gauge
optimize optimise tune
accelerate speedup
slow sluggish
fast quick rapid speedy
big large huge
small little tiny
error exception fault failure
bug defect
issue problem trouble
command cmd
terminal console shell
cli commandline
commit commits
branch branches
merge merges
dependency dep
package pkg
library lib
component widget
endpoint route
url link
website site
webpage page
regex regexp
string str
integer int
float double
boolean bool
dictionary dict hashmap
object obj
column col field
row record
query queries
table tables
index indices
value val
sort order
hidden invisible
secret confidential
customer client-user shopper
employee staff worker colleague
developer programmer coder
email mail e-mail
phone telephone cellphone mobile
notification notify alert
chat messenger
comment remark
button btn
dialog modal popup
font typeface
colour color
centre center
grey gray
licence license
favourite favorite
initialize initialise init bootstrap scaffold
serialize serialise
organize organise
customize customise
localize localise
analyze analyse
synchronize synchronise
normalize normalise
minimum min least
maximum max
average mean avg
number num
amount quantity
price cost
pay payment
buy purchase
invoice bill
refund reimburse
salary wage pay-cheque
car automobile vehicle
doctor physician
job occupation
kid child
movie film
holiday vacation
aeroplane airplane plane
help assist
teach instruct
learn study
ask inquire
answer reply respond
machine-learning ml
cpu processor
ram memory
disk drive
filesystem fs
latency delay
certificate cert
encrypt encipher
decrypt decipher
compress zip
decompress unzip uncompress
log logs logging
trace tracing
debug troubleshoot diagnose
feature functionality capability
requirement req
specification spec
template boilerplate
example sample
guide tutorial walkthrough
difference differ distinction
advantage benefit pro
disadvantage drawback con
newline linebreak
character char
unique distinct
random arbitrary
broken faulty
allow permit
forbid prohibit disallow
block ban
unblock unban
approve accept
reject decline refuse
hide conceal
reveal unhide
increase grow
decrease reduce shrink
maximize maximise
minimize minimise
improve enhance
worsen degrade
connect link-up
grant give
revoke withdraw
send transmit
collect gather
rewrite refactor restructure
publish release
dockerize dockerise containerize containerise
internationalization i18n internationalize internationalise
localization l10n
accessibility a11y
observability o11y
visualization visualisation visualize visualise
""")
"""Words that mean the same, the one they are told by first."""

OPPOSITES = _pairs("""
key/value new/existing unique/duplicate absolute/relative largest/smallest biggest/smallest longest/shortest strip/pad
implement/remove kill/start common/distinct trailing/leading clear/fill stdin/stdout,stderr stdout/stderr fetch/push
configure/remove foreground/background ignore/enforce clean/keep prefix/suffix width/height keys/values lines/characters
rename/delete protect/delete avoid/cause create/reuse default/custom
add/remove,subtract,exclude,omit,uninstall,disable,skip create/remove,destroy,drop,teardown
enable/disable,block,suppress install/uninstall,remove setup/disable,remove,uninstall,teardown import/export
upload/download push/pull,pop merge/split,unmerge combine/divide,separate,split join/split,leave lock/unlock
encrypt/decrypt encode/decode compress/decompress serialize/deserialize pack/unpack zip/unzip
upgrade/downgrade,rollback update/rollback increase/decrease,reduce,cap raise/lower,catch,suppress grow/shrink up/down
upward/downward upstream/downstream upscale/downscale left/right top/bottom above/below over/under before/after
earlier/later early/late first/last,second next/previous prev/next forward/backward,back forwards/backwards
ascending/descending asc/desc ascend/descend start/stop,end begin/end,stop open/close opened/closed show/hide,suppress
reveal/hide display/hide expand/collapse maximize/minimize mount/unmount,umount,dismount attach/detach
connect/disconnect bind/unbind link/unlink subscribe/unsubscribe,cancel follow/unfollow like/dislike,unlike
block/unblock,allow ban/unban mute/unmute pin/unpin star/unstar archive/unarchive,restore
publish/unpublish,draft,retract register/unregister,deregister login/logout allow/forbid,deny,block,prevent
permit/forbid accept/reject approve/reject,deny grant/revoke,deny give/take send/receive request/response read/write
load/unload,save,dump save/discard,load store/retrieve get/set put/get read-only/writable enqueue/dequeue
insert/remove,extract append/prepend,remove commit/rollback,revert stage/unstage stash/unstash
apply/revert,undo,unapply do/undo redo/undo backup/restore restore/remove,destroy,purge,drop freeze/unfreeze,thaw
pause/resume,continue suspend/resume stop/resume,continue sleep/wake hibernate/wake activate/deactivate
turn-on/turn-off on/off online/offline true/false yes/no positive/negative pass/fail succeed/fail
success/failure,error win/lose correct/incorrect,wrong right/wrong valid/invalid legal/illegal safe/unsafe,dangerous
secure/insecure trusted/untrusted signed/unsigned sorted/unsorted public/private internal/external inside/outside
inner/outer inbound/outbound incoming/outgoing input/output local/remote,global,cloud global/local static/dynamic
fixed/variable,dynamic,flexible manual/automatic manually/automatically synchronous/asynchronous sync/async
blocking/nonblocking serial/parallel sequential/parallel,random,concurrent temporary/permanent temporarily/permanently
soft/hard shallow/deep strict/loose,lenient explicit/implicit mutable/immutable required/optional mandatory/optional
include/exclude allowlist/blocklist,denylist whitelist/blacklist,block client/server frontend/backend host/guest
parent/child master/slave,replica primary/secondary,replica,foreign leader/follower producer/consumer
publisher/subscriber sender/receiver,recipient source/target,destination,sink origin/destination buyer/seller buy/sell
borrow/lend rent/own,buy hire/fire,dismiss,layoff,rent-out employer/employee teacher/student doctor/patient
production/staging,development,test,local staging/development debug/release min/max minimum/maximum most/least,fewest
more/less,fewer many/few much/little highest/lowest high/low higher/lower biggest/smallest big/small large/small
larger/smaller bigger/smaller greater/less,smaller,lesser long/short longer/shorter longest/shortest tall/short
wide/narrow wider/narrower thick/thin deep/shallow heavy/light heavier/lighter fast/slow faster/slower fastest/slowest
accelerate/slow new/old newer/older newest/oldest latest/oldest,first recent/old young/old younger/older modern/legacy
light/dark bright/dark,dim black/white hot/cold warm/cool heat/cool wet/dry full/empty fill/empty,drain empty/populate
clean/dirty easy/hard,difficult simple/complex cheap/expensive free/paid rich/poor strong/weak good/bad better/worse
best/worst improve/worsen,degrade optimize/degrade advantage/disadvantage pros/cons benefit/risk,harm profit/loss
gain/lose,loss credit/debit deposit/withdraw,withdrawal income/expense asset/liability supply/demand debt/asset
hit/miss found/missing present/absent,missing exist/missing exists/missing visible/hidden,invisible
horizontal/vertical horizontally/vertically row/column rows/columns portrait/landscape width/height x/y minor/major
lowercase/uppercase lower/upper upper/lower singular/plural odd/even integer/float signed-in/signed-out prefix/suffix
head/tail beginning/ending,end start-of/end-of north/south east/west northern/southern eastern/western day/night
morning/evening am/pm today/tomorrow,yesterday yesterday/tomorrow sunrise/sunset summer/winter arrive/depart,leave
arrival/departure enter/exit,leave entry/exit entrance/exit entering/leaving in/out inward/outward
import-from/export-to push-to/pull-from birth/death born/died live/dead,die alive/dead male/female man/woman men/women
boy/girl husband/wife mother/father brother/sister son/daughter king/queen love/hate friend/enemy war/peace
attack/defend,defence build/demolish,destroy,clean construct/destroy assemble/disassemble wrap/unwrap fold/unfold
tie/untie zip-up/unzip plug/unplug screw/unscrew cover/uncover dress/undress protect/unprotect,expose hide/expose
expose/hide,protect mask/unmask check/uncheck select/unselect,deselect escape/unescape quote/unquote
comment-in/comment-out indent/dedent,unindent nest/flatten nested/flat group/ungroup pivot/unpivot
normalize/denormalize bundle/unbundle minify/beautify,prettify obfuscate/deobfuscate throttle/unthrottle
limit/unlimited limited/unlimited scale-up/scale-down autoscale/fixed cached/uncached cache/bypass,invalidate
validate/invalidate,bypass,skip verify/bypass,skip enforce/bypass,relax,skip run/skip,stop execute/skip test/skip
keep/remove,discard,drop,lose preserve/discard,remove,overwrite retain/remove ignore/respect,track
track/untrack,ignore watch/ignore,unwatch catch/throw,raise build-time/runtime compile-time/runtime
centralize/decentralize monolith/microservice,microservices relational/nonrelational sql/nosql stateful/stateless
mine/theirs ours/theirs same/different equal/different,unequal equals/differs similar/different contain/lack,exclude
contains/lacks with/without nullable/required ends/starts begins/ends starts/ends above-zero/below-zero
weekday/weekend personal/business,shared,corporate individual/team,group,organisation domestic/international
national/international urban/rural native/foreign liquid/solid acid/base raw/cooked fresh/stale,rotten
sweet/sour,bitter salty/sweet loud/quiet noisy/silent,quiet verbose/quiet,silent,terse
interactive/batch,unattended,noninteractive eager/lazy optimistic/pessimistic vertical/lateral ingress/egress
promote/demote follow-up/ignore include-in/exclude-from unlock/secure charge/refund,discharge,credit order/cancel
book/cancel renew/cancel,revoke,expire extend/shorten,cancel,reduce shorten/lengthen widen/narrow tighten/loosen,relax
strengthen/weaken soften/harden sharpen/blur zoom/unzoom focus/blur remember/forget learn/forget opt-in/opt-out
checkin/checkout clockin/clockout rise/fall ascent/descent inflate/deflate inhale/exhale appear/disappear,vanish
obey/disobey agree/disagree trust/distrust,mistrust honour/dishonour always/never all/none everyone/nobody
everything/nothing anyone/nobody somewhere/nowhere lead/follow encourage/discourage simplify/complicate
automate/manual rollout/rollback ramp-up/ramp-down acquire/release allocate/free,deallocate,release reserve/release
lock-in/lock-out commission/decommission provision/deprovision ship/return pickup/delivery deliver/collect lend/repay
pay/receive,owe spend/save,earn earn/lose
""")
"""Words that turn an answer over when one stands for the other. Each pair counts both ways."""

EXCLUSIVE = _named("""
language: python javascript typescript java kotlin scala golang rust ruby php perl swift c++ c# csharp dart elixir
language: haskell clojure lua julia matlab fortran cobol erlang ocaml zig bash powershell vba groovy
database: postgres mysql mariadb sqlite mongodb redis cassandra dynamodb oracle elasticsearch opensearch couchdb neo4j
database: clickhouse cockroachdb snowflake bigquery redshift memcached firestore supabase influxdb
cloud: aws azure gcp digitalocean heroku vercel netlify cloudflare linode hetzner
frontend framework: react vue angular svelte solidjs preact jquery htmx alpine.js
meta framework: next.js nuxt sveltekit remix gatsby astro nextjs
backend framework: django flask fastapi rails laravel symfony nestjs express.js spring-boot
mobile framework: flutter react-native ionic xamarin swiftui cordova capacitor
operating system: linux windows macos ubuntu debian fedora centos alpine freebsd android ios
package manager: npm yarn pnpm pip poetry conda uv pipenv pipx cargo maven gradle
system packages: apt yum dnf homebrew brew chocolatey pacman winget flatpak
test runner: jest vitest mocha pytest unittest junit rspec jasmine cypress playwright selenium
ci: jenkins circleci travis teamcity buildkite
git host: github gitlab bitbucket gitea
tracker: jira trello asana notion clickup basecamp
chat: slack discord telegram whatsapp
editor: vscode vim neovim emacs pycharm intellij webstorm sublime nano eclipse xcode
browser: chrome firefox safari chromium
orm: sqlalchemy prisma typeorm sequelize drizzle hibernate mongoose peewee knex
bundler: webpack vite esbuild turbopack
queue: kafka rabbitmq celery sidekiq sqs bullmq nats pulsar
payment: stripe paypal adyen braintree klarna
web server: nginx apache caddy traefik haproxy gunicorn uvicorn
orchestrator: kubernetes nomad ecs docker-compose
infrastructure: terraform pulumi ansible cloudformation
api style: rest graphql grpc soap websocket
data format: json yaml xml csv toml parquet avro protobuf excel tsv markdown html pdf
image format: png jpeg gif svg webp bmp tiff
container type: list dictionary tuple dataframe
scalar type: string integer float boolean datetime bytes
assistant: claude copilot gemini codex cursor windsurf chatgpt
identity provider: google facebook apple microsoft okta auth0 keycloak twitter linkedin
auth method: oauth saml jwt ldap sso totp passkey
styling: tailwind bootstrap-css sass bulma chakra
stage: production staging development
vcs: git svn mercurial perforce
agile: scrum kanban waterfall
weekday: monday tuesday wednesday thursday friday saturday sunday
month: january february march april june july august september october november december
colour: red green blue yellow orange purple pink brown black white grey
currency: dollar euro pound yen rupee franc bitcoin ethereum usd eur gbp jpy inr chf
country: usa germany france spain italy japan china india canada brazil mexico australia russia pakistan england
country: britain ireland netherlands sweden norway poland turkey egypt nigeria switzerland austria
city: london paris berlin tokyo delhi mumbai bangalore beijing shanghai madrid rome chicago boston seattle toronto
city: sydney melbourne dubai singapore amsterdam vienna
human language: english german french spanish italian japanese chinese hindi portuguese arabic
animal: dog cat horse cow pig sheep chicken rabbit
hash: md5 sha1 sha256 sha512 crc32 bcrypt argon2
period: hourly daily weekly monthly quarterly yearly
part: second-part minute hour day week month year
""")
"""Sets of which one is meant: two different members on the two sides are a conflict."""

PROPER = frozenset(
    EXCLUSIVE.keys()
    - {"container type", "scalar type", "stage", "agile", "colour", "animal", "period", "part", "weekday", "month"}
    - {"data format", "image format", "api style", "currency", "auth method", "hash"}
)
"""The exclusive sets whose members are proper names in whatever casing."""

VERSIONED = frozenset(
    {
        *("language", "database", "frontend framework", "meta framework", "backend framework", "mobile framework"),
        *("operating system", "package manager", "test runner", "browser", "orm", "bundler", "orchestrator"),
    }
)
"""The exclusive sets whose members carry a version: a number behind one is a version."""

VERSION_WORDS = _words("""
chapter css es gpt html http llama node node.js nodejs release ssl tls v ver version versions
""")
"""Other words behind which a number is a version."""

VERBS = _words("""
abort accept activate add adjust aggregate alert allow alter analyze anonymize answer append apply approve archive ask
assign attach audit authenticate authorize autoscale avoid backup bake ban batch begin bind bisect blame block boil
book borrow break browse buffer build bump bundle buy bypass cache calculate call cancel cap cast catch change charge
chat check checkout chmod choose chown clarify classify clean clear click clone close cluster collapse combine comment
commit compare compile compress compute concatenate configure connect containerize convert cook copy count create cut
deactivate debug decide declare decode decommission decompress decrease decrypt define delegate delete denormalize
deny deploy deposit dequeue describe deserialize design detach detect determine die diff disable discard disconnect
dispatch display distinguish divide divorce dockerize document downgrade download drag draw drink drive drop dump earn
eat edit email embed emit enable encode encrypt end enforce enhance enqueue ensure enter escape estimate evaluate
exclude execute exit expand expire explain export expose extend extract fetch filter find fix flatten flip fly fold
follow forbid forget fork format freeze fry gain generate get give grant grep group grow handle harden hash hate head
hide hire host identify ignore implement import improve include increase inherit initialize inject insert install
integrate invest invite issue iterate join keep kill learn leave lend like limit link lint list listen live load lock
log login logout loop lose love lower make map marry mask matches maximize measure merge message migrate minify
minimize mock modify monitor mount move mute navigate normalize notify omit open optimize orchestrate order overload
override pad paint parse partition patch pause pay permit pick pin pivot plan plot pop populate post predict prepend
preserve press prevent print prioritize profile protect provision proxy prune pseudonymize publish pull purge push put
queue quit raise randomize read rebase reboot receive recognize recover redirect redo reduce refactor refund register
reject release remember remove rename render renew rent reopen repair repeat replace replicate reply reset reshape
resize restart restore resume retain retry reveal reverse revert review revoke rewrite rollback rotate round route run
sample save scaffold scale scan schedule scroll search secure seed select sell send serialize serve set setup shard
share shift ship shorten show shrink shuffle shutdown sign signup simplify skip sleep slice solve sort specify spend
split squash stage start stash stop store stream strip stub study submit subscribe sum summarize suppress swap swim
sync synchronize tag tail take teach terminate test thaw throttle throw tokenize touch trace track train transfer
transform translate travel trim truncate tune type unarchive unassign unblock undo uninstall unlink unlock unmount
unmute unpin unprotect unpublish unstage unsubscribe unwrap unzip update upgrade upload validate verify view visit
wait walk warn watch win withdraw wrap write zip zoom
""")
"""Words that are mostly used for what to do."""

PHRASES = _phrases("""
login: log in, logs in, logging in, logged in, sign in, signing in, signed in, log on
logout: log out, logging out, logged out, sign out, signing out, sign off
signup: sign up, signing up, sign ups
setup: set up, setting up, sets up, spin up, stand up
teardown: tear down, take down
remove: get rid of, strip out, throw away, throw out
cleanup: clean up, cleaning up
enable: turn on, turning on, turned on, switch on
disable: turn off, turning off, turned off, switch off, switching off
opt-in: opt in
opt-out: opt out
rollback: roll back, rolling back
rollout: roll out
backup: back up, backing up
checkout: check out
checkin: check in
lookup: look up
scale-up: scale up, scale out
scale-down: scale down, scale in
accelerate: speed up, speeding up
slow: slow down
shutdown: shut down, shutting down
reset: start over
continue: carry on
find: find out, figure out
fill: fill in, fill out
transfer: hand over
split: break up, split up
cli: command line
pr: pull request, pull requests, merge request, merge requests
e2e: end to end, end 2 end
database: data base
frontend: front end
backend: back end
fullstack: full stack
timeout: time out
timezone: time zone, time zones
username: user name, user names
password: pass word
whitespace: white space
newline: line break, new line, line breaks
realtime: real time
runtime: run time
filesystem: file system
filename: file name, file names
codebase: code base
workflow: work flow
dataframe: data frame, data frames
flag: feature flag, feature toggle, feature toggles
typescript: type script
javascript: java script
mongodb: mongo db
mysql: my sql
postgres: postgre sql
github: git hub
gitlab: git lab
react-native: react native
spring-boot: spring boot
docker-compose: docker compose
next.js: next js
node: node js
vue: vue js
vscode: vs code, visual studio code
gcp: google cloud
aws: amazon web services
macos: mac os, os x
openai: open ai
chatgpt: chat gpt
speckit: spec kit
machine-learning: machine learning
read-only: read only
dropdown: drop down
checkbox: check box
textbox: text box
popup: pop up
barcode: bar code
light: light mode, light theme
dark: dark mode, dark theme
lowercase: lower case, small letters
uppercase: upper case, capital letters
2fa: two factor, multi factor
sso: single sign on
newyork: new york
losangeles: los angeles
sanfrancisco: san francisco
hongkong: hong kong
newzealand: new zealand
usa: united states
britain: united kingdom
southafrica: south africa
southkorea: south korea
northkorea: north korea
clockin: clock in
clockout: clock out
ramp-up: ramp up
ramp-down: ramp down
zoom-in: zoom in
zoom-out: zoom out
""")
"""Several words that mean one."""

UNITS: dict[str, tuple[str, float]] = {
    word: (base, float(factor))
    for base, factor, *words in _lines("""
s 0.001 ms msec millisecond milliseconds millis
s 1e-06 us microsecond microseconds
s 1e-09 ns nanosecond nanoseconds
s 1.0 s sec secs second seconds
s 60.0 m min mins minute minutes
s 3600.0 h hr hrs hour hours
s 86400.0 d day days
s 604800.0 wk week weeks
month 1.0 month months
month 12.0 yr yrs year years
byte 1.0 byte bytes
byte 0.125 bit bits
byte 1024.0 kb kib kilobyte kilobytes kbyte kbytes
byte 1048576.0 mb mib megabyte megabytes megs meg
byte 1073741824.0 gb gib gigabyte gigabytes gigs gig
byte 1099511627776.0 tb tib terabyte terabytes
percent 1.0 % percent pct
dollar 1.0 $ usd dollar dollars bucks
euro 1.0 \u20ac eur euro euros
pound 1.0 \xa3 gbp pounds
metre 0.001 mm millimeter millimeters millimetre millimetres
metre 0.01 cm centimeter centimeters centimetre centimetres
metre 1.0 meter meters metre metres
metre 1000.0 km kms kilometer kilometers kilometre kilometres
metre 1609.344 mile miles
metre 0.0254 inch inches
metre 0.3048 feet foot ft
gram 0.001 mg milligram milligrams
gram 1.0 g gram grams
gram 1000.0 kg kgs kilo kilos kilogram kilograms
gram 453.59237 lb lbs
pixel 1.0 px pixel pixels
litre 0.001 ml milliliter milliliters millilitre millilitres
litre 1.0 liter liters litre litres
hertz 1.0 hz hertz
hertz 1000.0 khz
hertz 1000000.0 mhz
hertz 1000000000.0 ghz
celsius 1.0 celsius
fahrenheit 1.0 fahrenheit
""")
    for word in words
}
"""Each spelling of a unit: its base unit and how many of that it is."""

NUMBER_WORDS: dict[str, float] = {
    word: float(number)
    for number, words in _named("""
0: zero
1: one
2: two twice second
3: three third
4: four fourth
5: five fifth
6: six sixth
7: seven seventh
8: eight eighth
9: nine ninth
10: ten tenth
11: eleven
12: twelve dozen
13: thirteen
14: fourteen
15: fifteen
16: sixteen
20: twenty
30: thirty
40: forty
50: fifty
60: sixty
17: seventeen
18: eighteen
19: nineteen
70: seventy
80: eighty
90: ninety
100: hundred
1000: thousand
1000000: million
1000000000: billion
""").items()
    for word in words
}

MULTIPLIERS = {"hundred": 100.0, "thousand": 1e3, "million": 1e6, "billion": 1e9, "k": 1e3, "dozen": 12.0}

MONTHS = _meanings("""
jan: january jan
feb: february feb
mar: march
apr: april apr
jun: june jun
jul: july jul
aug: august aug
sep: september sep sept
oct: october oct
nov: november nov
dec: december dec
""")

WEEKDAYS = _meanings("""
mon: monday mondays mon
tue: tuesday tuesdays tue tues
wed: wednesday wednesdays wed
thu: thursday thursdays thu thurs
fri: friday fridays fri
sat: saturday saturdays
sun: sunday sundays
""")

NEGATIONS = _words("""
barely hardly rarely scarcely seldom
non excluding ain't aren't arent can't cannot cant couldn't couldnt didn't didnt doesn't doesnt don't dont except
excluding hadn't
hadnt hasn't hasnt haven't havent isn't isnt lacking minus mustn't mustnt n't needn't neither never no nobody none nor
not nothing nowhere sans shouldn't shouldnt w/o wasn't wasnt weren't werent without won't wont wouldn't wouldnt
""")

NEGATING_VERBS = _words("""
absent avoid avoids avoiding exclude lack lacks lacked omit omitting prevent prevents preventing
""")
"""Words with a weight of their own that negate what stands behind them."""

FAILING = _words("fail fails failed failing failure inability refuse refuses refused refusing unable")
"""Before "to" these tell of a fault: "it fails to start", "unable to log in"."""

WEAK_NEGATIONS = FAILING | _words("""
ain't barely can't cannot cant couldn't couldnt hardly rarely scarcely seldom won't wont
""")
"""Negations that mostly tell of a fault ("it won't start"), which can be told without one; or that leave something."""

NOT_NEGATED = _words("""
care just know matter mind only remember sure understand
""")
"""Behind these a negation says nothing of the request: "not sure how", "I don't know", "not only"."""

FAULTS = _words("""
able found happen happening loading responding running showing starting work working
""")
"""Behind "not" these tell of a fault."""

QUANTIFIERS = _meanings("""
all: all every each entire whole everything
only: only single solely exclusively
both: both
first: first
last: last
exactly: exactly
many: multiple several many various
half: half
nth: nth
most: most
fewest: fewest
once: once
""")
"""Words of how many or which."""

COMPARED = _meanings("""
>: more greater larger bigger longer higher over above exceeding
<: less smaller fewer shorter lower under below
older: older
newer: newer
later: later
earlier: earlier
""")
"""The word before "than", and what it says; `over` and `under` also say it before a number."""

BOUNDS = _phrases("""
>=: at least, no less, no fewer, or more, not less
<=: at most, up to, no more, or less, or fewer, not more
""")
"""Pairs of words that bound a number."""

QUALIFIERS = _words("""
ignoring reverse background dry place alphabetically anonymous anonymously asynchronously automatic automatically
besides chronologically completely
concurrently conditionally downtime during dynamically encrypted except forever globally gradually hidden horizontally
if immediately individually interactively locally manual manually nested numerically offline online parallel partially
periodically permanent permanently private production programmatically public read-only recursive recursively remotely
safely securely separately shared silently simultaneously staging statically synchronously temporarily temporary twice
unless until vertically while
""")
"""Words that narrow or change what is asked for."""

TIME_WORDS = _meanings("""
today: today tonight
yesterday: yesterday
tomorrow: tomorrow
latest: latest newest recent recently
""")
"""Words that tie an answer to the moment of asking."""

ROLES = _meanings("""
instead: instead rather
from: out
to: to into onto towards -> => \u2192
from: from off
with: with using via through
without: without
before: before
after: after
against: against
between: between
""") | dict.fromkeys(_words("in on at of than for by about within inside as per under over"), "")
"""What a preposition says of the words behind it; the empty role says too little to compare."""

INFINITIVE_HEADS = _words("""
able allowed best command correct easiest going happy have how is like method need needing needs ought required right
simplest supposed tool trick try trying used want wanting wants way ways what when where wish
""")
"""Behind these "to" opens a verb, not a direction."""

DETERMINERS = _words("""
a all an any each her his its my our some that the their these this those your
""")
"""Function words that stand within a noun phrase."""

FUNCTION_WORDS = _words("""
a able about actually after again already also although am am're an and any anyone anything are as at basically be
because been before being best but by can correctly could currently did do does doing down e.g. easily else etc
even ever everybody everyone exactly for from get-going going gonna good got had has have having he hello help her
here hey hi his how how's however hows i i'd i'll i'm i've i.e. idea if ill im in inside into is it it's its ive just
kindly know let let's lets like may me me: might mine must my need needed needs nor of off ok okay on one ones onto or
other others ought our out own people per please pls plz possible proper properly question quick quite really same
seem seems shall she should simply since so some somebody someone something still stuff such supposed sure tell than
thank thanks that that's thats the their them then there there's theres these they thing things this those though
through thx to too towards try trying um until up upon us using versus very via vs wanna want wanted wants was way
ways we well were what what's whats when where where's wheres whether which while who who's whom whos whose why whys
will with within without wonder wondering would would'd yet you you're your youre
""")
"""Words without a weight of their own. Some of them tell something else (a role, a negation, a question)."""

UNDOING = _words("""
archive avoid ban block bypass cancel close deactivate decline decommission delete deny deprecate detach disable discard
disconnect downgrade drop exclude expire forbid hide ignore kill leave mute omit pause prevent quit reject remove reset
restore revert revoke rollback skip stop strip suppress suspend teardown terminate truncate unassign unblock undelete
undo
uninstall unlink unlock unmount unprotect unpublish unsubscribe untrack withdraw yank
""")
"""Verbs that undo or withhold what other verbs do."""

QUESTIONS = _meanings("""
how: how hows how's
what: what whats what's which
why: why whys
when: when whens
where: where wheres where's
who: who whos who's whom whose
yes: is are was were does do did has have should will would am isn't aren't doesn't don't
""")
"""The words that open a question, and its kind."""

ASKED_AMOUNTS = _words("""
big deep expensive far fast heavy high large long many much often old tall
""")
"""Behind "how" these ask for an amount."""

HOW_NOUNS = _words("""
approach command commands method one-liner procedure steps syntax trick way ways
""")
"""Behind "what" these ask how: "what is the way to", "what command"."""

DEICTIC = _words("""
above it same that them these they this those
""")
"""Words that point at something said before."""

IRREGULAR = {
    word: word
    for word in _words("""
access address analysis apply assembly aws bed bring broken bus climate css daily data date dns during early embed
family feed gas gem hidden hourly ios jenkins js king kubernetes left linear macos media monthly multiply need news
nullable permission ping private process quarterly rails react red redis repeat reply ring seed series sing sms
species speed spring state station status string supply teams template thing unsigned validate weekly windows yearly
""")
} | _meanings("""
run: ran running runs
build: built
send: sent
write: wrote written
make: made
get: got gotten
take: took taken
give: gave given
find: found
keep: kept
lose: lost
buy: bought
sell: sold
pay: paid payment payments
choose: chose chosen
break: broke
begin: began begun
hide: hid
freeze: froze frozen
child: children
person: people
man: men
woman: women
index: indices indexes
vertex: vertices
matrix: matrices
criterion: criteria
analysis: analyses
string: strings
reply: replies
apply: applies
install: installation
configure: configuration
authenticate: authentication
decrypt: decryption
encrypt: encryption
subscribe: subscription
define: definition
convert: conversion
remove: removal removing
approve: approval
renew: renewal
use: using used uses
log: logging
uninstall: uninstallation
compare: comparison
sort: sorted
http: https
table: tables
cache: caches
status: statuses
test: testing
sign: signed
validate: validates validated validating validation
template: templates
""")
"""Words that the stemmer would take wrongly, and what it takes them for."""

WELL_SPELT = _words("""
angel board bother bread casual crate decent diary diner dinner file filed filer files forth hoped hopped latter martial
mongod noone pair pairs persona planed planned planner priorities produce relied replay revers rotting sacred scarred
tale tapped taped trial unite united untied window word words
""")
"""Words that only look like other words of these tables misspelt."""

NOT_PREFIXED = _words("""
count cover discount discover dispatch display distanc patch play tanc under union unit universal until
imag impact impart import impos impress imprint improv inbound inbox incom increas index indoor inflow inform ingrain
inlet inlin innat input insert insid insight insist install instanc insur intact intak intend intens intent intern
invent invest invit invoic involv irat
""")
"""Terms that only look as if un-, dis-, non-, in-, im-, il- or ir- turned them over."""
