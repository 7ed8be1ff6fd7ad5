package config

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestHookIsChecked(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, hook, field, what string }{
		{name: "nothing", hook: "{}"},
		{name: "harbor", hook: "{dialect: harbor, header: X-Hook}"},
		{name: "google", hook: "{dialect: google, audience: plimsoll, service_account: a@b.example, keys: 'https://keys.example/jwks'}"},
		{name: "zot", hook: "{dialect: zot, nats_subject: zot.events}"},
		{name: "ecr", hook: "{dialect: ecr, sqs_queue: 'https://sqs.eu-central-1.amazonaws.com/123456789012/plimsoll'}"},
		{name: "ecr's emulator", hook: "{dialect: ecr, sqs_queue: 'http://127.0.0.1:4566/000000000000/plimsoll'}"},
		{name: "google's subscription", hook: "{dialect: google, pubsub_subscription: projects/corp/subscriptions/plimsoll}"},
		{name: "a queue without an account", hook: "{dialect: ecr, sqs_queue: 'https://sqs.eu-central-1.amazonaws.com/plimsoll'}", field: "sqs_queue", what: "123456789012/plimsoll"},
		{name: "a queue in the clear", hook: "{dialect: ecr, sqs_queue: 'http://sqs.example/123456789012/plimsoll'}", field: "sqs_queue", what: "https"},
		{name: "a queue with a query", hook: "{dialect: ecr, sqs_queue: 'https://sqs.example/123456789012/plimsoll?a'}", field: "sqs_queue", what: "without ?"},
		{name: "a queue for google", hook: "{dialect: google, sqs_queue: 'https://sqs.example/123456789012/plimsoll'}", field: "sqs_queue", what: "it is for ecr"},
		{name: "a short subscription", hook: "{dialect: google, pubsub_subscription: plimsoll}", field: "pubsub_subscription", what: "projects/corp/subscriptions/"},
		{name: "a subscription that leads elsewhere", hook: "{dialect: google, pubsub_subscription: 'projects/../subscriptions/plimsoll'}", field: "pubsub_subscription"},
		{name: "artifactory", hook: "{dialect: artifactory, repository: docker-local}"},
		{name: "unknown dialect", hook: "{dialect: harbour}", field: "dialect", what: "harbor"},
		{name: "another dialect's field", hook: "{dialect: harbor, nats_subject: zot.events}", field: "nats_subject", what: "it is for zot"},
		{name: "a header for a signature", hook: "{dialect: ghcr, header: X-Hook}", field: "header", what: "no use"},
		{name: "a secret for google", hook: "{dialect: google, secret_file: x}", field: "secret_file", what: "audience"},
		{name: "half of google", hook: "{dialect: google, audience: plimsoll}", field: "service_account", what: "write both"},
		{name: "keys in the clear", hook: "{dialect: google, audience: p, service_account: a, keys: 'http://keys.example'}", field: "keys", what: "https"},
		{name: "a header with a colon", hook: "{header: 'X-Hook: a'}", field: "header", what: "X-Plimsoll-Secret"},
		{name: "a wildcard", hook: "{dialect: zot, nats_subject: 'zot.>'}", field: "nats_subject", what: "wildcards"},
		{name: "our own subject", hook: "{dialect: zot, nats_subject: plimsoll.scan.push.r}", field: "nats_subject", what: "begin"},
	}
	for _, test := range tests {
		f, err := parse("test", []byte("registries: [{id: r, url: 'https://r', hook: "+test.hook+"}]"), nil)
		var faults Faults
		errors.As(err, &faults)
		var got []string
		for _, fault := range faults {
			got = append(got, fault.Field)
		}
		var want []string
		if test.field != "" {
			want = []string{"registries[0].hook." + test.field}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: faulty fields (-want +got):\n%s%v", test.name, diff, err)
		} else if test.what != "" && !strings.Contains(err.Error(), test.what) {
			t.Errorf("%s: %v, want it to say %q", test.name, err, test.what)
		}
		if err == nil && len(f.Registries) != 1 {
			t.Errorf("%s: %d registries", test.name, len(f.Registries))
		}
	}
}

func TestSubjectsAreNotShared(t *testing.T) {
	t.Parallel()
	for field, hook := range map[string]string{
		"nats_subject":        "{dialect: zot, nats_subject: zot}",
		"sqs_queue":           "{dialect: ecr, sqs_queue: 'https://sqs.eu-central-1.amazonaws.com/123456789012/plimsoll'}",
		"pubsub_subscription": "{dialect: google, pubsub_subscription: projects/corp/subscriptions/plimsoll}",
	} {
		_, err := parse("test", []byte("registries: [{id: a, url: 'https://a', hook: "+hook+"}, {id: b, url: 'https://b', hook: "+hook+"}]"), nil)
		if err == nil || !strings.Contains(err.Error(), "registries[1].hook."+field) {
			t.Errorf("%s of two registries: %v, want a fault", field, err)
		}
	}
}
