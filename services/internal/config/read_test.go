package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/blob"
)

func TestReadAll(t *testing.T) {
	t.Parallel()
	got, err := parse("/etc/plimsoll/config.yaml", []byte(`
listen: 0.0.0.0:8080
tokens_file: tokens
log_level: debug
bucket: {endpoint: "minio:9000", access_key: k, secret_key_file: /run/secret, tls: true}
nats:
  url: nats://a:4222,tls://b:4222
temporal:
  address: temporal:7233
registries:
  - id: harbor
    url: https://registry.corp.example
    repositories: [team/app]
    include: ["team/**"]
    exclude: ["**:*-dev"]
    username: robot$plimsoll
    password_file: pw
    allow_networks: [10.0.0.0/8]
    requests_per_second: 0.5
    sweep:
      cron: off
  - id: second
    url: http://10.0.0.1:5000
worker:
  slots: 3
reporter:
  advisories: osv
  poll: 30m
  organisation: Example Ltd.
`), []string{"PLIMSOLL_REPORTER_ACTIVE_DAYS=60", "PLIMSOLL_SCHEDULER_WORKERS=a:1, b:2", "PLIMSOLL_LISTEN=", "HOME=/root", "PLIMSOLL_NATS_PASSWORD=secret"})
	if err != nil {
		t.Fatal(err)
	}
	want := File{
		Listen: "127.0.0.1:8080", Data: "plimsoll-data", TokensFile: "/etc/plimsoll/tokens", LogLevel: "debug",
		Bucket:   blob.Config{Endpoint: "minio:9000", Bucket: "plimsoll", Region: "us-east-1", AccessKey: "k", SecretKeyFile: "/run/secret", TLS: true},
		NATS:     NATS{URL: "nats://a:4222,tls://b:4222", Password: "secret"},
		Temporal: Temporal{Address: "temporal:7233", Namespace: "default"},
		Registries: []plimsoll.Registry{{
			ID: "harbor", URL: "https://registry.corp.example", Kind: "distribution", Repositories: []string{"team/app"}, Include: []string{"team/**"}, Exclude: []string{"**:*-dev"},
			Username: "robot$plimsoll", PasswordFile: "/etc/plimsoll/pw", AllowNetworks: []string{"10.0.0.0/8"},
			Sweep: plimsoll.Schedule{Cron: "off", TimeZone: "UTC"}, Concurrency: 8, RequestsPerSecond: 0.5,
		}, {
			ID: "second", URL: "http://10.0.0.1:5000", Kind: "distribution", Sweep: plimsoll.Schedule{Cron: "0 1 * * *", TimeZone: "UTC"}, Concurrency: 8,
		}},
		Scheduler: Scheduler{Listen: "127.0.0.1:8081", Workers: []string{"a:1", "b:2"}, PushSlots: 32, SweepSlots: 12},
		Worker:    Worker{Listen: "127.0.0.1:9090", Admin: "127.0.0.1:9091", Slots: 3},
		Reporter: Reporter{Listen: "127.0.0.1:8080", Advisories: "/etc/plimsoll/osv", Poll: 30 * time.Minute, StaleAfter: 48 * time.Hour, ActiveDays: 60,
			Organisation: "Example Ltd.", ReportCron: "0 6 * * 1", ReportZone: "UTC"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("parse (-want +got)\n%s", diff)
	}
}

func TestEmptyFileIsTheDefault(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "# nothing\n", "---\n", "{}", "reporter:\n", "registries: []\nreporter: {poll: 0s, active_days: 0}"} {
		got, err := parse("c.yaml", []byte(text), nil)
		if diff := cmp.Diff(Default(), got); err != nil || diff != "" {
			t.Errorf("parse(%q): %v (-want +got)\n%s", text, err, diff)
		}
	}
	if err := Default().Validate(); err != nil {
		t.Errorf("the default is not valid: %v", err)
	}
}

// All faults at once, in the order of the file, each with its line, field, what is wrong and what to write.
func TestFaults(t *testing.T) {
	t.Parallel()
	_, err := parse("config.yaml", []byte(`listen: 8080
reporter:
  pol: x
  poll: 2 days
  active_days: many
  report_zone: Mars/Phobos
registries:
  - id: Harbor
    url: registry.corp.example
    include: ["a**", "[x"]
    sweep:
      cron: 61 1 * * *
  - url: https://user:pw@host
    id: decisions
    id: twice
    allow_networks: [10.0.0.1/8]
  - just text
  - id: ok
worker: [1]
bucket:
  endpoint: http://minio
`), []string{"PLIMSOLL_LOG_LEVEL=loud", "PLIMSOLL_WORKER_SLOTS=0x", "PLIMSOLL_REPORTER_ACTIVE_DAY=1", "PLIMSOLL_PORT=tcp://10.0.0.1:80"})
	want := []string{
		`$PLIMSOLL_WORKER_SLOTS: worker.slots: "0x"; write a whole number`,
		`$PLIMSOLL_REPORTER_ACTIVE_DAY: unknown variable; did you mean PLIMSOLL_REPORTER_ACTIVE_DAYS?`,
		`$PLIMSOLL_LOG_LEVEL: log_level: "loud"; write debug, info, warn or error`,
		`config.yaml:1: listen: "8080"; write host:port, as 127.0.0.1:8080 or 0.0.0.0:8080`,
		`config.yaml:3: reporter.pol: unknown field; did you mean poll?`,
		`config.yaml:4: reporter.poll: "2 days" is no duration; write a number with a unit, as 90m or 48h (a day is 24h)`,
		`config.yaml:5: reporter.active_days: "many"; write a whole number`,
		`config.yaml:6: reporter.report_zone: "Mars/Phobos" is no time zone; write an IANA name, as UTC or Europe/Berlin`,
		`config.yaml:8: registries[0].id: "Harbor"; write 1 to 63 of a-z, 0-9 and dashes, not beginning with a dash`,
		`config.yaml:9: registries[0].url: "registry.corp.example"; write https://host[:port] or http://host[:port]`,
		`config.yaml:10: registries[0].include[0]: "a**"; ** stands alone between slashes: write * within a part`,
		`config.yaml:10: registries[0].include[1]: "[x": "[x" is no pattern; close each [ with ] and end with no backslash`,
		`config.yaml:12: registries[0].sweep.cron: "61 1 * * *": minute "61"; write numbers from 0 to 59, as 1, 1-3, */2, or *`,
		`config.yaml:13: registries[1].url: holds a user or password; write them as username and password_file, and the URL without`,
		`config.yaml:15: registries[1].id: written twice, first in line 14; write it once`,
		`config.yaml:16: registries[1].allow_networks[0]: "10.0.0.1/8" has bits beyond its mask; write 10.0.0.0/8 for the network or 10.0.0.1/32 for the address`,
		`config.yaml:17: registries[2]: want fields (name: value, indented below), not "just text"`,
		`config.yaml:18: registries[3].url: missing; write https://host[:port] or http://host[:port]`,
		`config.yaml:19: worker: want fields (name: value, indented below), not a list`,
		`config.yaml:21: bucket.endpoint: "http://minio"; write host:port alone, without a scheme or path`,
	}
	if err == nil || !errors.Is(err, plimsoll.ErrInvalid) {
		t.Fatalf("parse = %v, want ErrInvalid", err)
	}
	if diff := cmp.Diff(want, strings.Split(err.Error(), "\n")); diff != "" {
		t.Errorf("faults (-want +got)\n%s", diff)
	}
}

func TestOneFault(t *testing.T) {
	t.Parallel()
	registry := "registries:\n  - {id: r, url: 'https://r.example', "
	for text, want := range map[string]string{
		"listen: [":   "config.yaml:1: no valid YAML",
		"a: b: c":     "no valid YAML",
		"\tlisten: x": "no valid YAML",
		"listen: 127.0.0.1:1\n---\nlisten: 127.0.0.1:2": "second document",
		"just text":               "want fields",
		"listen: {a: b}":          "listen: want a text, not fields",
		"listen: 127.0.0.1:99999": "65535",
		"listen: 'a b:80'":        "no host name",
		"log_level: trace":        "write debug, info",
		"nope: 1":                 "the fields here are bucket, data, listen",
		"bucket: {endpoint: minio, access_key: k}":      "bucket.secret_key_file: empty",
		"bucket: {endpoint: minio, secret_key_file: f}": "bucket.access_key: empty",
		"bucket: {endpoint: 'minio:0'}":                 "the port from 1",
		"bucket: {endpoint: minio, ca_file: f}":         "tls: true",
		"bucket: {tls: yes}":                            "write true or false",
		"nats: {url: 'http://x'}":                       "nats.url: not a NATS address",
		"nats: {url: 'nats://u:geheim@x'}":              "nats.url: holds a user",
		"temporal: {address: x}":                        "write host:port",
		"nats: {key_file: x}":                           "nats.cert_file: empty, with nats.key_file given",
		"temporal: {cert_file: x}":                      "temporal.key_file: empty, with temporal.cert_file given",
		"scheduler: {workers: ['']}":                    "scheduler.workers[0]",
		"scheduler: {workers: a}":                       "want a list",
		"scheduler: {push_slots: -1}":                   "scheduler.push_slots: -1",
		"worker: {slots: 5000}":                         "worker.slots: 5000",
		"reporter: {poll: 1s}":                          "at least 1m0s",
		"reporter: {poll: 72h}":                         "reporter.stale_after: 48h0m0s is less",
		"reporter: {active_days: 9999}":                 "reporter.active_days",
		`reporter: {organisation: "a\nb"}`:              "control characters",
		"reporter: {advisories: 'ftp://x'}":             "reporter.advisories",
		"reporter: {report_cron: '@daily'}":             "write five",
		"registries: [{id: r, url: 'https://r.example'}, {id: r, url: 'https://r.example'}]": "id of registries[0] too",
		"registries: [{url: 'https://r.example'}]":                                           "registries[0].id: missing",
		"registries: [{id: advisories, url: 'https://r.example'}]":                           "stream of Plimsoll's own",
		"registries: [{id: r, url: 'https://r.example/team'}]":                               "belongs to repositories",
		"registries: [{id: r, url: 'https://r.example?x'}]":                                  "without ? and #",
		"registries: [{id: r, url: 'https://u:geheim@%zz'}]":                                 "write https://host",
		"registries: [{id: r, url: 'https://r.example:x'}]":                                  "write https://host",
		"registries: [{id: r, url: 'https://r.example:'}]":                                   "colon",
		registry + "repositories: [Team/App]}":                                               "lower case",
		registry + "repositories: [a, a]}":                                                   "twice",
		registry + "exclude: ['']}":                                                          "empty pattern",
		registry + "exclude: ['https://x/y']}":                                               "without a registry",
		registry + "exclude: ['a:b:c']}":                                                     "one colon",
		registry + "exclude: ['a:[']}":                                                       "no pattern",
		registry + "exclude: ['team/']}":                                                     "team/**",
		registry + "username: u}":                                                            "password_file: empty, with registries[0].username given",
		registry + "username: u, password_file: f, docker_config: g}":                        "one of them",
		registry + "cert_file: f}":                                                           "key_file: empty",
		registry + "proxy: 'ftp://u:geheim@x'}":                                              "or none",
		registry + "allow_networks: [10.0.0.1]}":                                             "write a network",
		registry + "concurrency: 1000}":                                                      "concurrency",
		registry + "requests_per_second: -1}":                                                "no bound",
		registry + "requests_per_second: .inf}":                                              "write a number",
		registry + "sweep: {time_zone: Local}}":                                              "no time zone",
		registry + "label: x}":                                                               "unknown field",
		"a: &a [*a]":                                                                         "config.yaml",
		"registries: &r\n  - *r":                                                             "config.yaml",
	} {
		_, err := parse("config.yaml", []byte(text), nil)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("parse(%q) = %v, want %q", text, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "geheim") {
			t.Errorf("parse(%q) tells a password: %v", text, err)
		}
	}
}

func TestAliases(t *testing.T) {
	t.Parallel()
	f, err := parse("c.yaml", []byte("registries:\n  - {id: a, url: 'https://a', include: &i [x]}\n  - {id: b, url: 'https://b', include: *i}\n"), nil)
	if err != nil || len(f.Registries) != 2 || f.Registries[1].Include[0] != "x" {
		t.Errorf("parse = %+v, %v", f.Registries, err)
	}
	// Nine lists of ten aliases each: a billion values in a few lines.
	bomb := "x0: &x0 [a,a,a,a,a,a,a,a,a,a]\n"
	for i := 1; i < 9; i++ {
		bomb += fmt.Sprintf("x%d: &x%d [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*x%d,", i-1), 10), ","))
	}
	if _, err := parse("c.yaml", []byte(bomb+"registries: *x8\n"), nil); err == nil {
		t.Error("a bomb of aliases is accepted")
	}
}

func TestReadFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if _, err := Read(filepath.Join(dir, "none.yaml"), nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Read of a missing file = %v", err)
	}
	if _, err := Read(dir, nil); err == nil {
		t.Error("Read of a folder succeeds")
	}
	big := filepath.Join(dir, "big.yaml")
	if err := os.WriteFile(big, make([]byte, maxFile+1), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(big, nil); !errors.Is(err, plimsoll.ErrLimit) {
		t.Errorf("Read of a huge file = %v, want ErrLimit", err)
	}
	if f, err := Read("", []string{"PLIMSOLL_DATA=here"}); err != nil || f.Data != "here" {
		t.Errorf("Read without a file = %q, %v", f.Data, err)
	}
}

// Read leaves the files that a configuration names alone; Validate looks at those of the part.
func TestValidateFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "config.yaml")
	text := "tokens_file: tokens\nreporter: {policy: policy.yaml, advisories: osv}\nregistries: [{id: r, url: 'https://r', ca_file: ca, hook: {secret_file: hook}}]\nnats: {ca_file: .}\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := Read(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for part, want := range map[Part][]string{
		All:           {"tokens_file", "nats.ca_file", "reporter.policy", "reporter.advisories", "registries[0].ca_file", "registries[0].hook.secret_file"},
		PartScheduler: {"tokens_file", "nats.ca_file", "registries[0].ca_file", "registries[0].hook.secret_file"},
		PartWorker:    {"tokens_file", "registries[0].ca_file"},
		PartReporter:  {"tokens_file", "nats.ca_file", "reporter.policy", "reporter.advisories"},
	} {
		var faults Faults
		if err := f.ValidateFor(part); !errors.As(err, &faults) {
			t.Fatalf("ValidateFor(%q) = %v", part, err)
		}
		var got []string
		for _, fault := range faults {
			got = append(got, fault.Field)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("ValidateFor(%q) (-want +got)\n%s", part, diff)
		}
	}
	for _, name := range []string{"tokens", "policy.yaml", "ca", "hook"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "osv"), 0o700); err != nil {
		t.Fatal(err)
	}
	f.NATS.CAFile = ""
	if err := f.Validate(); err != nil {
		t.Errorf("Validate = %v", err)
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte("listen: 127.0.0.1:0\nregistries:\n  - id: a\n    url: https://b\n"), "PLIMSOLL_LISTEN=x")
	f.Add([]byte("a: &a [*a, {b: *a}]"), "PLIMSOLL_=")
	f.Add([]byte("<<: {listen: 1}\n? [x]\n: y"), "PLIMSOLL_WORKER_SLOTS=9999999999999999999")
	f.Add([]byte("registries: [{sweep: {cron: '*/0 * * * *'}, include: ['[\\']}]"), "=")
	f.Add([]byte("listen: !!binary aGk=\ndata: !!null x\nlog_level: *u"), "PLIMSOLL_SCHEDULER_WORKERS=,,")
	f.Fuzz(func(t *testing.T, b []byte, env string) {
		file, err := parse("f.yaml", b, []string{env})
		if err != nil {
			var faults Faults
			if !errors.As(err, &faults) || len(faults) == 0 {
				t.Fatalf("parse = %v, want Faults", err)
			}
			for _, fault := range faults {
				if strings.ContainsAny(fault.String(), "\x00\x1b\r\n") {
					t.Errorf("fault with control characters: %q", fault)
				}
			}
			return
		}
		var c checker
		if c.file(file); len(c.faults) > 0 {
			t.Errorf("parse accepts what the check refuses: %v", c.faults)
		}
	})
}
