package config

import (
	"reflect"
	"strings"
)

// Field describes one field of the file. docs/configuration.md has all of them; a test compares.
type Field struct {
	Name    string // "registries[].sweep.cron"
	Env     string // the variable that overrides it; empty inside lists
	Default string // as one would write it; empty: none
	Doc     string // what it is, with its unit
}

// Fields are all fields of the file, in its order.
func Fields() []Field {
	var fields []Field
	eachField(reflect.TypeFor[File](), "", func(name string) {
		d := docs[name]
		f := Field{Name: name, Default: d.def, Doc: d.doc}
		if !strings.Contains(name, "[]") {
			f.Env = envName(name)
		}
		fields = append(fields, f)
	})
	return fields
}

// eachField names every field that holds a value or a list of values.
func eachField(t reflect.Type, prefix string, visit func(name string)) {
	for i := range t.NumField() {
		f := t.Field(i)
		name := yamlName(f)
		if name == "" {
			continue
		}
		name = join(prefix, name)
		switch {
		case f.Type.Kind() == reflect.Struct:
			eachField(f.Type, name, visit)
		case f.Type.Kind() == reflect.Slice && f.Type.Elem().Kind() == reflect.Struct:
			eachField(f.Type.Elem(), name+"[]", visit)
		default:
			visit(name)
		}
	}
}

type fieldDoc struct{ def, doc string }

// docs is the text of each field; the defaults are checked against Default.
var docs = map[string]fieldDoc{
	"listen":      {"127.0.0.1:8080", "Address (host:port) of the pages, the API and the hooks when all parts run in one process. Port 0 takes a free one. Beyond loopback it needs tokens_file."},
	"data":        {"plimsoll-data", "Folder of the embedded bucket, queue and orchestrator. It is created."},
	"tokens_file": {"", "File of bearer tokens, one line each, as `plimsoll token NAME ROLE` prints it. Changing calls always need a token; reading calls need one on any listener beyond loopback. It is read again when it changes."},
	"log_level":   {"info", "Least level of log records: debug, info, warn or error."},

	"bucket.endpoint":        {"", "S3 server, host[:port] without scheme. Empty: the embedded one, under data."},
	"bucket.bucket":          {"plimsoll", "Name of the bucket. It is created where the credentials allow it."},
	"bucket.region":          {"us-east-1", "Region of the bucket."},
	"bucket.access_key":      {"", "Access key. Empty: the AWS_… variables, the shared credentials file, or the role of the machine or service account."},
	"bucket.secret_key_file": {"", "File with the secret key, nothing else. PLIMSOLL_BUCKET_SECRET_KEY may hold the secret itself instead."},
	"bucket.tls":             {"false", "Speak TLS to the server: true or false."},
	"bucket.ca_file":         {"", "PEM file of the authorities that sign the server's certificate. Empty: the system's."},

	"nats.url":              {"", "NATS server with JetStream, several with commas. Empty: the embedded one, under data."},
	"nats.credentials_file": {"", "NATS credentials (.creds) file. PLIMSOLL_NATS_USER and PLIMSOLL_NATS_PASSWORD are the other way."},
	"nats.ca_file":          {"", "PEM file of the authorities that sign the server's certificate. Empty: the system's."},
	"nats.cert_file":        {"", "PEM file of the client certificate; with key_file."},
	"nats.key_file":         {"", "PEM file of the client certificate's key; with cert_file."},

	"temporal.address":      {"", "Temporal frontend, host:port. Empty: the embedded one, under data."},
	"temporal.namespace":    {"default", "Temporal namespace. It must exist."},
	"temporal.api_key_file": {"", "File with an API key, nothing else."},
	"temporal.ca_file":      {"", "PEM file of the authorities that sign the server's certificate. Empty: the system's."},
	"temporal.cert_file":    {"", "PEM file of the client certificate; with key_file."},
	"temporal.key_file":     {"", "PEM file of the client certificate's key; with cert_file."},

	"registries[].id":             {"", "Name of the registry, 1 to 63 of a-z, 0-9 and dashes. It stands in object keys and URLs and must never change. Needed."},
	"registries[].url":            {"", "https://host[:port] or http://host[:port]. Needed."},
	"registries[].kind":           {"distribution", "How the repositories are found: `distribution` (the catalogue of any conforming registry), `docker-hub`, `google` (Artifact Registry), `harbor` or `gitlab`, by the API of that vendor."},
	"registries[].namespaces":     {"", "Parts of the registry to list: namespaces of Docker Hub, groups and projects of GitLab, projects of Harbor (empty: all that the account sees), `project/repository` of Google. Needed by docker-hub, gitlab and google unless repositories are listed."},
	"registries[].api_url":        {"", "Where the vendor's own API is, https://host[:port]. Empty: hub.docker.com for docker-hub, the registry's own host for harbor; gitlab needs it."},
	"registries[].repositories":   {"", "Repositories to watch. Empty: the registry is asked, as kind says."},
	"registries[].include":        {"", "Patterns on repository or repository:tag. Empty: everything."},
	"registries[].exclude":        {"", "Patterns on repository or repository:tag; they win over include."},
	"registries[].newest_tags":    {"0", "Only so many tags of each repository are read, the newest ones: last pushed first where the vendor tells (docker-hub, google, harbor), else the highest versions by name. 0: all."},
	"registries[].moved_within":   {"0", "Only tags that were pushed within this time are read, as a duration. Only for docker-hub, google and harbor, which tell when. 0: all."},
	"registries[].labels":         {"", "Labels that an image must have to be read: `name`, `name=value`, `!name` or `name!=value`; all must hold. Others are shown as out of scope."},
	"registries[].platforms":      {"", "Platforms to read of images for several, as os/architecture[/variant]. Empty: all. Others are shown as out of scope."},
	"registries[].username":       {"", "User name; with password_file."},
	"registries[].password_file":  {"", "File with the password or token, nothing else; with username."},
	"registries[].docker_config":  {"", "File in the form of Docker's config.json to take credentials from, or a folder with one, as a mounted pull secret of Kubernetes is; instead of username. With neither, the usual keychains and the cloud's identity are asked."},
	"registries[].ca_file":        {"", "PEM file of the authorities that sign the registry's certificate, besides the system's."},
	"registries[].cert_file":      {"", "PEM file of a client certificate; with key_file."},
	"registries[].key_file":       {"", "PEM file of the client certificate's key; with cert_file."},
	"registries[].proxy":          {"", "Proxy URL (http, https, socks5). Empty: HTTPS_PROXY and its relatives. none: no proxy."},
	"registries[].allow_networks": {"", "Networks (CIDR) that the registry's redirects and token realms may point to, besides the class of address that the registry itself has. Link-local addresses are never reached."},

	"registries[].hook.dialect":             {"", "How the registry tells of pushes: distribution (GitLab too), harbor, docker-hub, quay, ghcr, acr, ecr, google, zot, gitea (Forgejo too), artifactory or nexus. Empty: distribution."},
	"registries[].hook.secret_file":         {"", "File with the secret that the registry's notifications must show or be signed with; read again at each. Needed for hooks beyond loopback, but for google."},
	"registries[].hook.header":              {"", "Header in which the sender shows the secret, for distribution, harbor, acr, ecr and zot. Empty: Authorization; for ecr X-Api-Key."},
	"registries[].hook.repository":          {"", "For artifactory and nexus: the one repository of theirs that url serves, by a port or name of its own. Events of others are ignored. Empty: the repository's name begins the image's."},
	"registries[].hook.nats_subject":        {"", "For zot: subject on the NATS of `nats.url` to which it publishes its events."},
	"registries[].hook.sqs_queue":           {"", "For ecr: URL of the SQS queue to which EventBridge sends the events; they are fetched there with the AWS identity."},
	"registries[].hook.pubsub_subscription": {"", "For google: Pub/Sub subscription from which the events are pulled with the Google identity."},
	"registries[].hook.audience":            {"", "For google: audience of the tokens that Pub/Sub signs its pushes with."},
	"registries[].hook.service_account":     {"", "For google: e-mail of the service account that the tokens are made for."},
	"registries[].hook.keys":                {"", "For google: the keys (JWKS) that sign the tokens, a file or an https URL. Empty: Google's own."},

	"registries[].sweep.cron":          {"0 1 * * *", "When a sweep starts: minute, hour, day, month, weekday (0 is Sunday); day and weekday must both fit. off: never by itself."},
	"registries[].sweep.time_zone":     {"UTC", "IANA time zone of cron."},
	"registries[].concurrency":         {"8", "Requests for documents and listings at once, 1 to 256; of several, one is kept for pushes."},
	"registries[].requests_per_second": {"0", "Bound on the rate of requests while the registry is listed; 0: none."},

	"scheduler.listen":      {"127.0.0.1:8081", "Address of hooks, health and metrics when the scheduler runs alone."},
	"scheduler.workers":     {"", "gRPC targets of the workers when the scheduler runs alone; `dns:///name:port` finds all behind a name."},
	"scheduler.push_slots":  {"32", "Pushes in work at once, 1 to 1024 requests; of several registries none holds more than three quarters."},
	"scheduler.sweep_slots": {"4 × worker.slots", "Sweep requests in work at once, 1 to 4096; each holds up to 64 images. Shared among registries as `push_slots` are."},

	"worker.listen": {"127.0.0.1:9090", "gRPC address of a worker that runs alone."},
	"worker.admin":  {"127.0.0.1:9091", "Address of health and metrics of a worker that runs alone."},
	"worker.slots":  {"cores + 1", "Layers in work at once, 1 to 1024; one of them is kept for pushes."},
	"worker.off":    {"", "Analysers that are switched off: `files`, `secrets`. The same for every worker; images then say \"not analysed\"."},

	"reporter.listen":          {"127.0.0.1:8080", "Address of the pages and the API when the reporter runs alone. Beyond loopback it needs tokens_file."},
	"reporter.advisories":      {"", "Advisories in osv.dev's layout: a folder or a URL; or a bundle, one signed file. Empty: none, so that no verdict can be a pass."},
	"reporter.bundle_key":      {"", "Public key (PEM, Ed25519) that the bundle in `reporter.advisories` must be signed for."},
	"reporter.allow_older":     {"false", "Take a bundle that knows less than what is known already: true or false."},
	"reporter.enrichment.kev":  {"", "CISA's catalogue of known exploited vulnerabilities, JSON, a file or a URL. Empty: `enrichment` in or beside the source of the advisories, where there is one."},
	"reporter.enrichment.ssvc": {"", "CISA's SSVC decision points, a tab-separated table, a file or a URL. Empty: as above."},
	"reporter.enrichment.epss": {"", "FIRST's EPSS scores of the day, CSV, a file or a URL. Empty: as above."},
	"reporter.end_of_life":     {"", "YAML file with end-of-life dates, in place of the built-in table. Empty: built in."},
	"reporter.cache":           {"", "Folder that keeps compiled advisories from one start to the next; what it holds may be lost. Empty: `index` under data where the engines are embedded, else none."},
	"reporter.poll":            {"1h", "How often the advisories are looked at, as a duration, at least 1m."},
	"reporter.stale_after":     {"48h", "Advisories not checked successfully for longer count as stale, as a duration, at least poll."},
	"reporter.active_days":     {"30", "An image is active when its tag moved, was pulled or was admitted within so many days, 1 to 3650."},
	"reporter.policy":          {"", "Policy file, or `baseline` or `none`, which need no file. Empty: baseline."},
	"reporter.owners":          {"", "File that says whose images are whose: a YAML list of `pattern`, `team` and, where only one is meant, `registry`. The first pattern that fits counts."},
	"reporter.owner_label":     {"", "Label of images that names the owner where no pattern of owners fits: a claim of whoever built the image. Empty: labels are not read."},
	"reporter.organisation":    {"", "Name that stands on reports, one line of at most 200 bytes."},
	"reporter.report_cron":     {"0 6 * * 1", "When the weekly report is made, as sweep.cron. off: never by itself."},
	"reporter.report_zone":     {"UTC", "IANA time zone of report_cron."},
}
