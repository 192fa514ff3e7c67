"""Plays Route 53: moto keeps the hosted zones and lists their record sets, and botocore checks the signature of each request.
What moto does not check as AWS says that it is, is checked here: which changes a batch may have, and who may make them. Tests
put things there, as others would, below /test/.

    serve.py PORT SECRET"""

import datetime
import ipaddress
import json
import logging
import re
import sys
import threading
import xml.etree.ElementTree as ElementTree
from urllib.parse import parse_qsl, unquote, urlencode
from xml.sax.saxutils import escape

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from moto.route53.models import RecordSet, route53_backends
from werkzeug.serving import run_simple

NAMESPACE = "https://route53.amazonaws.com/doc/2013-04-01/"
PORT, SECRET = int(sys.argv[1]), sys.argv[2]

# Whose keys there are: the secret, the token of a key that ends by itself, and the actions that its user may do.
ALL = {"ListResourceRecordSets", "ChangeResourceRecordSets", "GetHostedZone", "ListHostedZonesByName"}
KEYS = {
    "AKIDMAYALL": (SECRET, None, ALL),
    "AKIDMAYLOOK": (SECRET, None, ALL - {"ChangeResourceRecordSets"}),
    "AKIDMAYNOTHING": (SECRET, None, set()),
    "ASIAENDS": (SECRET, "sessionToken/with+signs==", ALL),
}

ONE_AT_A_TIME = threading.RLock()
MOTO = DomainDispatcherApplication(create_backend_app)
# How many sets a page of a zone has at most, and which sets of it are protected, with the comment of that.
PAGES, PROTECTED = {}, {}


class Refused(Exception):
    def __init__(self, status, code, message):
        super().__init__(message)
        self.answer = (
            status,
            f'<?xml version="1.0"?>\n<ErrorResponse xmlns="{NAMESPACE}"><Error><Type>Sender</Type><Code>{code}</Code>'
            f"<Message>{escape(message)}</Message></Error><RequestId>7eb28fd5</RequestId></ErrorResponse>",
        )


def backend():
    return route53_backends["123456789012"]["aws"]


def zone_of(identifier):
    zone = backend().zones.get(identifier)
    if zone is None:
        raise Refused(404, "NoSuchHostedZone", f"No hosted zone found with ID: {identifier}")
    return zone


def signed(environ, body):
    """Says who signed this."""
    header = environ.get("HTTP_AUTHORIZATION", "")
    form = r"AWS4-HMAC-SHA256 Credential=(\w+)/(\d{8})/([\w-]+)/route53/aws4_request, ?SignedHeaders=([\w;-]+), ?Signature=(\w+)"
    match = re.fullmatch(form, header)
    if not match:
        raise Refused(403, "MissingAuthenticationToken", "Missing Authentication Token")
    key, day, region, names, signature = match.groups()
    if key not in KEYS:
        raise Refused(403, "InvalidClientTokenId", "The security token included in the request is invalid.")
    secret, token, may = KEYS[key]
    time = environ.get("HTTP_X_AMZ_DATE", "")
    now = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)
    behind = now - datetime.datetime.strptime(time, "%Y%m%dT%H%M%SZ")
    if behind > datetime.timedelta(minutes=15):
        raise Refused(403, "SignatureDoesNotMatch", f"Signature expired: {time} is now earlier than {now:%Y%m%dT%H%M%SZ}")
    if behind < datetime.timedelta(minutes=-15):
        raise Refused(403, "SignatureDoesNotMatch", f"Signature not yet current: {time} is still later than now")
    if environ.get("HTTP_X_AMZ_SECURITY_TOKEN") != token:
        raise Refused(403, "InvalidClientTokenId", "The security token included in the request is invalid.")
    lines = {name: environ[f"HTTP_{name.upper().replace('-', '_')}"] for name in names.split(";") if name != "content-type"}
    if "content-type" in names.split(";"):
        lines["content-type"] = environ["CONTENT_TYPE"]
    query = environ.get("QUERY_STRING", "")
    url = f"http://{environ['HTTP_HOST']}{environ['REQUEST_URI'].split('?')[0]}{'?' + query if query else ''}"
    request = AWSRequest(method=environ["REQUEST_METHOD"], url=url, data=body, headers=lines)
    request.context["timestamp"] = time
    auth = SigV4Auth(Credentials(key, secret, token), "route53", region)
    wanted = auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request)
    if (day, region, wanted) != (time[:8], "us-east-1", signature):
        raise Refused(
            403,
            "SignatureDoesNotMatch",
            "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key "
            "and signing method.",
        )
    return key, may


def raw(name):
    """A name as Route 53 keeps it."""
    return name.lower().rstrip(".").replace("*", r"\052") + "."


def check(change, zone):
    """What is wrong with a set, by itself."""
    name, of, ttl, values = change
    if not (name == zone.name or name.endswith("." + zone.name)):
        return f"RRSet with DNS name {name} is not permitted in zone {zone.name}"
    if len(name) > 255 or any(len(label) > 63 for label in name.split(".")):
        return "FATAL problem: DomainLabelTooLong (Domain label is too long) encountered with '" + name + "'"
    if not 0 <= ttl <= 2147483647:
        return "TTL value must be between 0 and 2147483647"
    if not values or len(set(values)) < len(values):
        return f"Duplicate Resource Record: '{values}'"
    for value in values:
        try:
            if of == "A":
                ipaddress.IPv4Address(value)
            elif of == "AAAA":
                ipaddress.IPv6Address(value)
            elif of == "TXT" and not re.fullmatch(r'"([^"\\]|\\.){0,255}"( "([^"\\]|\\.){0,255}")*', value):
                raise ValueError
            elif of == "CNAME" and (len(values) > 1 or not re.fullmatch(r"[\w.-]+", value)):
                raise ValueError
            elif of not in ("A", "AAAA", "TXT", "CNAME"):
                return f"kwo writes no {of}"
        except ValueError:
            return f"Invalid Resource Record: FATAL problem: {of} encountered with '{value}'"
    if of == "CNAME" and name == zone.name:
        return f"RRSet of type CNAME with DNS name {name} is not permitted at apex in zone {zone.name}"
    return None


def changes_of(body):
    """The changes of a batch; each element is one that is known."""
    tag = lambda element: element.tag.removeprefix(f"{{{NAMESPACE}}}")

    def only(element, *names):
        if [tag(child) for child in element] != list(names):
            raise Refused(400, "InvalidInput", f"Invalid XML: {tag(element)} has {[tag(child) for child in element]}")
        return list(element)

    try:
        root = ElementTree.fromstring(body)
    except ElementTree.ParseError as error:
        raise Refused(400, "MalformedXML", str(error)) from error
    batch = next((child for child in root if tag(child) == "ChangeBatch"), None)
    if tag(root) != "ChangeResourceRecordSetsRequest" or batch is None:
        raise Refused(400, "InvalidInput", "Invalid XML")
    changes = []
    for change in next(child for child in batch if tag(child) == "Changes"):
        action, record_set = only(change, "Action", "ResourceRecordSet")
        name, of, ttl, records = only(record_set, "Name", "Type", "TTL", "ResourceRecords")
        values = [only(record, "Value")[0].text or "" for record in records]
        changes.append((action.text, (raw(name.text), of.text, int(ttl.text), values)))
    if not changes:
        raise Refused(400, "InvalidInput", "Invalid request")
    if sum(len(values) for _, (_, _, _, values) in changes) > 1000:
        raise Refused(400, "InvalidChangeBatch", "Number of records limit of 1000 exceeded.")
    if sum(len(value) for _, (_, _, _, values) in changes for value in values) > 32000:
        raise Refused(400, "InvalidChangeBatch", "Number of characters limit of 32000 exceeded.")
    return changes


def plain(identifier, name, of, ttl, values):
    return RecordSet({"Name": name, "Type": of, "TTL": ttl, "ResourceRecords": values, "HostedZoneId": identifier})


def change(identifier, body):
    """Does all changes of a batch, or nothing."""
    zone, changes = zone_of(identifier), changes_of(body)
    sets, faults, ended = list(zone.rrsets), [], set()
    for action, one in changes:
        name, of, ttl, values = one
        which = f"resource record set [name='{name}', type='{of}']"
        here = [have for have in sets if (have.name, have.type) == (name, of)]
        comment = PROTECTED.get((identifier, name, of))
        if comment is not None:
            faults.append(f"The {which} has a protection: {comment}")
        elif action == "CREATE":
            wrong = check(one, zone)
            if wrong:
                faults.append(wrong)
            elif here:
                faults.append(f"Tried to create {which} but it already exists")
            else:
                sets.append(plain(identifier, name, of, ttl, values))
        elif action == "DELETE":
            own = [have for have in here if have.set_identifier is None and have.alias_target is None]
            if (name, of) in ended:
                faults.append(f"Tried to delete {which} twice")
            elif not own:
                faults.append(f"Tried to delete {which} but it was not found")
            elif (int(own[0].ttl), sorted(own[0].records)) != (ttl, sorted(values)):
                faults.append(f"Tried to delete {which} but the values provided do not match the current values")
            else:
                sets.remove(own[0])
            ended.add((name, of))
        else:
            raise Refused(400, "InvalidInput", f"kwo does not send {action}")
    for have in sets:
        if have.type == "CNAME" and any(other.name == have.name and other.type != "CNAME" for other in sets):
            faults.append(
                f"RRSet of type CNAME with DNS name {have.name} is not permitted as it conflicts with other records with the "
                f"same DNS name in zone {zone.name}"
            )
    if faults:
        raise Refused(400, "InvalidChangeBatch", f"[{', '.join(faults)}]")
    zone.rrsets = sets
    time = f"{datetime.datetime.now(datetime.timezone.utc):%Y-%m-%dT%H:%M:%S.000Z}"
    return 200, (
        f'<?xml version="1.0"?>\n<ChangeResourceRecordSetsResponse xmlns="{NAMESPACE}"><ChangeInfo><Id>/change/C1</Id>'
        f"<Status>PENDING</Status><SubmittedAt>{time}</SubmittedAt></ChangeInfo></ChangeResourceRecordSetsResponse>"
    )


def test(path, body):
    """What tests put there and look at."""
    told = json.loads(body) if body else {}
    match path:
        case ["zone"]:
            vpc = ("vpc-1", "eu-central-1") if told.get("private") else (None, None)
            zone = backend().create_hosted_zone(raw(told["name"]), bool(told.get("private")), None, *vpc)
            identifier, servers = zone.resource_id, ["ns-1.awsdns-64.com.", "ns-2.awsdns-65.net."]
            soa = f"{servers[0]} awsdns-hostmaster.amazon.com. 1 7200 900 1209600 86400"
            zone.rrsets = [
                plain(identifier, zone.name, "NS", 172800, servers),
                plain(identifier, zone.name, "SOA", 900, [soa]),
            ]
            return {"id": identifier}
        case ["sets", identifier]:
            return [
                [have.type, have.name, int(have.ttl or 0), have.records or [], bool(have.set_identifier or have.alias_target)]
                for have in zone_of(identifier).rrsets
            ]
        case ["put", identifier]:
            zone, name = zone_of(identifier), raw(told["name"])
            zone.rrsets = [have for have in zone.rrsets if (have.name, have.type) != (name, told["type"])]
            if told.get("values"):
                zone.rrsets.append(plain(identifier, name, told["type"], told["ttl"], told["values"]))
            zone.rrsets.extend(
                RecordSet({"Name": name, "Type": told["type"], **special}) for special in told.get("special", [])
            )
        case ["page", identifier]:
            PAGES[identifier] = told["sets"]
        case ["protect", identifier]:
            PROTECTED[(identifier, raw(told["name"]), told["type"])] = told["comment"]
        case _:
            raise Refused(400, "InvalidInput", f"no test {path}")
    return {}


def answer(environ):
    """A status and a body, or nothing where moto answers."""
    length = int(environ.get("CONTENT_LENGTH") or 0)
    body = environ["wsgi.input"].read(length)
    path = [unquote(part) for part in environ["REQUEST_URI"].split("?")[0].split("/")[1:]]
    if path[0] == "test":
        return 200, json.dumps(test(path[1:], body))
    key, may = signed(environ, body)
    match (environ["REQUEST_METHOD"], path):
        case ("POST", ["2013-04-01", "hostedzone", identifier, "rrset", ""]):
            action, of = "ChangeResourceRecordSets", identifier
        case ("GET", ["2013-04-01", "hostedzone", identifier, "rrset"]):
            action, of = "ListResourceRecordSets", identifier
        case ("GET", ["2013-04-01", "hostedzone", identifier]):
            action, of = "GetHostedZone", identifier
        case ("GET", ["2013-04-01", "hostedzonesbyname"]):
            action, of = "ListHostedZonesByName", None
        case _:
            raise Refused(404, "UnknownOperation", "kwo does not ask for that")
    if action not in may:
        of = "*" if of is None else f"arn:aws:route53:::hostedzone/{of}"
        raise Refused(
            403,
            "AccessDenied",
            f"User: arn:aws:iam::123456789012:user/{key} is not authorized to perform: route53:{action} on resource: {of}",
        )
    if action == "ChangeResourceRecordSets":
        return change(of, body)
    if action == "ListResourceRecordSets":
        query = dict(parse_qsl(environ["QUERY_STRING"], keep_blank_values=True))
        query["maxitems"] = str(min(int(query.get("maxitems", 300)), 300, PAGES.get(of, 300)))
        environ["QUERY_STRING"] = urlencode(query)
    return None


def app(environ, start_response):
    with ONE_AT_A_TIME:
        try:
            answered = answer(environ)
        except Refused as refused:
            answered = refused.answer
        if answered is None:
            return list(MOTO(environ, start_response))
    status, text = answered
    data = text.encode()
    start_response(f"{status} Told", [("content-type", "text/xml"), ("content-length", str(len(data)))])
    return [data]


logging.getLogger("werkzeug").setLevel(logging.ERROR)
run_simple("127.0.0.1", PORT, app, threaded=True)
