package config

import (
	"fmt"
	"os"
	"reflect"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/plimsoll/plimsoll"
)

const document = "../../../docs/configuration.md"

func readDocument(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// Each field has a row: name, default, example, what it is; and no row is about a field that is none.
func TestFieldsAreDocumented(t *testing.T) {
	t.Parallel()
	rows := map[string][]string{}
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z_.\\[\\]]+)` \\| (.*?) \\| `(.+?)` \\| (.+) \\|$").FindAllStringSubmatch(readDocument(t), -1) {
		rows[m[1]] = m[2:]
	}
	for _, f := range Fields() {
		row := rows[f.Name]
		delete(rows, f.Name)
		switch {
		case row == nil:
			t.Errorf("%s has no row `%s` | default | `example` | text", document, f.Name)
		case strings.Trim(strings.TrimSpace(row[0]), "`") != f.Default:
			t.Errorf("%s: default %s, want %q", f.Name, row[0], f.Default)
		case row[2] != f.Doc:
			t.Errorf("%s: text differs\n%s\n%s", f.Name, row[2], f.Doc)
		}
	}
	for name := range rows {
		t.Errorf("%s describes %s, which is no field", document, name)
	}
	for name := range docs {
		if !strings.Contains(readDocument(t), "`"+name+"`") {
			t.Errorf("docs has %s, which is no field", name)
		}
	}
}

// The defaults that the document tells are the ones that Default gives.
func TestDefaultsAreTrue(t *testing.T) {
	t.Parallel()
	f := Default()
	f.Registries = nil
	got := map[string]string{}
	walk(reflect.ValueOf(&f).Elem(), "", func(name string, v reflect.Value) {
		got[name] = strings.TrimSuffix(strings.TrimSuffix(fmt.Sprint(v), "0s"), "0m")
		if v.Kind() == reflect.Slice {
			got[name] = ""
		}
	})
	r := registryDefaults(plimsoll.Registry{})
	got["registries[].sweep.cron"], got["registries[].sweep.time_zone"] = r.Sweep.Cron, r.Sweep.TimeZone
	got["registries[].kind"], got["registries[].newest_tags"], got["registries[].moved_within"] = string(r.Kind), fmt.Sprint(r.NewestTags), "0"
	got["registries[].concurrency"], got["registries[].requests_per_second"] = fmt.Sprint(r.Concurrency), fmt.Sprint(r.RequestsPerSecond)
	derived := map[string]string{ // told in words
		"worker.slots":          fmt.Sprint(runtime.GOMAXPROCS(0) + 1),
		"scheduler.sweep_slots": fmt.Sprint(4 * (runtime.GOMAXPROCS(0) + 1)),
	}
	for _, field := range Fields() {
		want := field.Default
		if d := derived[field.Name]; d != "" {
			want = d
		}
		if got[field.Name] != want {
			t.Errorf("%s: default %q, documented as %q", field.Name, got[field.Name], want)
		}
	}
}

// otherDialect are the fields of a hook that do not go with the example of its dialect; TestHookIsChecked has them.
var otherDialect = map[string]bool{
	"registries[].hook.repository": true, "registries[].hook.nats_subject": true, "registries[].hook.audience": true,
	"registries[].hook.service_account": true, "registries[].hook.keys": true, "registries[].hook.sqs_queue": true,
	"registries[].hook.pubsub_subscription": true,
}

// Every example stands for a value of its field.
func TestExamplesAreValid(t *testing.T) {
	t.Parallel()
	tree := map[string]any{}
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z_.\\[\\]]+)` \\| .*? \\| `(.+?)` \\| ").FindAllStringSubmatch(readDocument(t), -1) {
		if m[1] == "registries[].docker_config" || m[1] == "registries[].repositories" || otherDialect[m[1]] { // exclude username and namespaces
			continue
		}
		var value any
		if err := yaml.Unmarshal([]byte(m[2]), &value); err != nil {
			t.Errorf("%s: %v", m[1], err)
		}
		at := tree
		names := strings.Split(strings.Replace(m[1], "[]", "", 1), ".")
		for _, n := range names[:len(names)-1] {
			if at[n] == nil {
				at[n] = map[string]any{}
			}
			at = at[n].(map[string]any)
		}
		at[names[len(names)-1]] = value
	}
	tree["registries"] = []any{tree["registries"]}
	b, err := yaml.Marshal(tree)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parse("examples", b, nil); err != nil {
		t.Errorf("the examples together: %v\n%s", err, b)
	}
}

func TestExampleFile(t *testing.T) {
	t.Parallel()
	_, rest, _ := strings.Cut(readDocument(t), "```yaml\n")
	text, _, found := strings.Cut(rest, "```")
	if _, err := parse("example.yaml", []byte(text), nil); err != nil || !found {
		t.Errorf("the document's example: %v", err)
	}
}

func TestEnvironmentNamesAreUnique(t *testing.T) {
	t.Parallel()
	seen := map[string]string{}
	for _, f := range Fields() {
		if other := seen[f.Env]; other != "" && f.Env != "" {
			t.Errorf("%s and %s are both %s", f.Name, other, f.Env)
		}
		seen[f.Env] = f.Name
	}
}
