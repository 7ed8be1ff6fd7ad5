package secrets

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestConfig finds a secret in each place of an image configuration; an identifier and its secret in two variables are one.
func TestConfig(t *testing.T) {
	t.Parallel()
	f, m := newFinder(t), newMaker(31)
	token := func() string { return m.checked("ghp_", 36) }
	aws := m.of(alnum, 39) + "7"
	values := []string{aws, token(), token(), token(), token(), token(), token(), token()}
	config, err := json.Marshal(map[string]any{
		"architecture": "amd64",
		"config": map[string]any{
			"Env": []string{
				"PATH=/bin", "AWS_ACCESS_KEY_ID=" + "AKIA" + m.of(upper, 16), "TEXT=two\nlines",
				"AWS_SECRET_ACCESS_KEY=" + aws, "MORE=one\ntwo " + values[1],
			},
			"Labels":      map[string]string{"z": values[3], "a": values[2]},
			"Cmd":         []string{"run", "--token", values[4]},
			"Entrypoint":  []string{"/bin/" + values[5]},
			"Healthcheck": map[string]any{"Test": []string{"CMD", "curl", values[6]}},
		},
		"history": []map[string]any{{"created_by": "ADD file"}, {"created_by": "RUN login " + values[7]}},
	})
	if err != nil {
		t.Fatal(err)
	}
	var want []ConfigHit
	for i, path := range []string{
		"env:AWS_SECRET_ACCESS_KEY", "env:MORE", "label:a", "label:z", "command", "entrypoint", "healthcheck", "history:1",
	} {
		rule := "githubclassicpat"
		if i == 0 {
			rule = "awsaccesskey"
		}
		want = append(want, ConfigHit{"config:" + path, Hit{
			Rule: rule, Fingerprint: f.fingerprint(rule, values[i]), Last4: values[i][len(values[i])-4:],
		}})
	}
	hits, reason, err := f.Config(t.Context(), config)
	if diff := cmp.Diff(want, hits); diff != "" || reason != "" || err != nil {
		t.Errorf("reason %q, error %v, hits differ (-want +got):\n%s", reason, err, diff)
	}
}

// TestConfigForms: a field of the wrong form is a reason and hides no other.
func TestConfigForms(t *testing.T) {
	t.Parallel()
	f, token := newFinder(t), newMaker(32).checked("ghp_", 36)
	for config, want := range map[string]struct {
		hits   string
		reason string
	}{
		`{}`:                                     {},
		`null`:                                   {},
		`{"config":null,"history":null}`:         {},
		`{"config":{"Cmd":"run ` + token + `"}}`: {hits: "config:command"},
		`{"config":{"Env":["A=` + token + `",3],"Labels":{"k":"TOKEN"}}}`: {"config:env:A config:label:k", "configuration: env has the wrong form"},
		`{"config":{"Env":7,"Healthcheck":[]},"history":[{"comment":"` + token + `"}]}`: {"config:history:0",
			"configuration: env has the wrong form; configuration: healthcheck has the wrong form"},
		`{"config":{"Env":["=` + token + `"]}}`: {hits: "config:env:"},
		`{"config":3}`:                          {reason: "configuration: no JSON of the right form"},
		`[`:                                     {reason: "configuration: no JSON of the right form"},
	} {
		hits, reason, err := f.Config(t.Context(), []byte(strings.ReplaceAll(config, "TOKEN", token)))
		var paths []string
		for _, h := range hits {
			paths = append(paths, h.Path)
		}
		if got := strings.Join(paths, " "); got != want.hits || reason != want.reason || err != nil {
			t.Errorf("%.60s: %q, reason %q, error %v; want %+v", config, got, reason, err, want)
		}
	}
}

func TestConfigLimits(t *testing.T) {
	t.Parallel()
	f, m := newFinder(t), newMaker(33)
	if _, reason, err := f.Config(t.Context(), make([]byte, MaxConfig+1)); reason == "" || err != nil {
		t.Errorf("a large configuration: reason %q, error %v; want a reason", reason, err)
	}
	var env []string
	for i := range MaxHits + 1 {
		env = append(env, fmt.Sprintf("%s%d=hf_%s", strings.Repeat("N", maxPath), i, m.of(lower, 34)))
	}
	config, err := json.Marshal(map[string]any{"config": map[string]any{"Env": env}})
	if err != nil {
		t.Fatal(err)
	}
	hits, reason, err := f.Config(t.Context(), config)
	if len(hits) != MaxHits || reason == "" || err != nil {
		t.Errorf("%d hits, reason %q, error %v; want %d and a reason", len(hits), reason, err, MaxHits)
	}
	if got := len(hits[0].Path); got != len("config:env:")+maxPath {
		t.Errorf("a path of %d bytes; want it cut", got)
	}
}

func FuzzConfig(f *testing.F) {
	f.Add([]byte(`{"config":{"Env":["A=b"],"Labels":{"a":"b"},"Cmd":["x"],"Entrypoint":"y"},"history":[{"created_by":"z"}]}`))
	f.Add([]byte(`{"config":{"Env":["A=` + newMaker(34).checked("ghp_", 36) + `\nb"]}}`))
	finder := newFinder(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		hits, _, _ := finder.Config(t.Context(), b)
		for _, h := range hits {
			if h.Line != 0 || !strings.HasPrefix(h.Path, "config:") {
				t.Errorf("hit %+v; want a path and no line", h)
			}
		}
	})
}
