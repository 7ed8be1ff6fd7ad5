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
	_, err := parse("test", []byte("registries: [{id: a, url: 'https://a', hook: {dialect: zot, nats_subject: zot}}, {id: b, url: 'https://b', hook: {dialect: zot, nats_subject: zot}}]"), nil)
	if err == nil || !strings.Contains(err.Error(), "registries[1].hook.nats_subject") {
		t.Errorf("one subject for two registries: %v, want a fault", err)
	}
}
