package api

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/plimsoll/plimsoll/services/reporter/internal/list"
)

// document is openapi.yaml as a tree.
func openDocument(t *testing.T) map[string]any {
	t.Helper()
	var doc map[string]any
	if err := yaml.Unmarshal(openAPI, &doc); err != nil {
		t.Fatal(err)
	}
	return doc
}

func at(v any, path ...string) any {
	for _, p := range path {
		m, _ := v.(map[string]any)
		v = m[p]
	}
	return v
}

func TestDocumentNamesEveryRouteAndFilter(t *testing.T) {
	t.Parallel()
	doc := openDocument(t)
	var want, got []string
	for _, r := range (&Server{}).routes() {
		want = append(want, strings.ReplaceAll(r.pattern, "{id...}", "{id}"))
	}
	for path, ops := range at(doc, "paths").(map[string]any) {
		for method := range ops.(map[string]any) {
			got = append(got, strings.ToUpper(method)+" "+path)
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(want, got) {
		t.Errorf("document has\n%s\nroutes are\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	described := at(doc, "components", "parameters").(map[string]any)
	for _, name := range list.Params() {
		if _, ok := described[name]; !ok && name != "group" { // grouping is the pages' own
			t.Errorf("filter %s is not described", name)
		}
	}
}

// TestAnswersMatchTheDocument asks every reading call, and the changing ones that can be asked here, and checks each answer
// against its schema, field by field.
func TestAnswersMatchTheDocument(t *testing.T) {
	t.Parallel()
	s := newSite(t, 60)
	doc := openDocument(t)
	v := s.world.Engine.View()
	s.sweeps.running["harbor"] = true
	if status, _, b := s.call("POST", "/api/v1/reports", s.operator, ""); status != http.StatusCreated {
		t.Fatalf("make report: %d %s", status, b)
	}
	asked := map[string]bool{"GET /api/v1/openapi.yaml": true, "GET /api/v1/reports/{period}/{file}": true, "POST /api/v1/reports": true}
	read := "/api/v1/images/" + string(v.Rows()[0].Digest)
	for _, c := range []struct{ method, route, url, body string }{
		{"GET", "/api/v1/images", "/api/v1/images?scope=stored&limit=1000", ""},
		{"GET", "/api/v1/images/{digest}", read, ""},
		{"GET", "/api/v1/images/{digest}/packages", read + "/packages", ""},
		{"GET", "/api/v1/images/{digest}/secrets", read + "/secrets", ""},
		{"GET", "/api/v1/images/{digest}/files", read + "/files", ""},
		{"GET", "/api/v1/images/{digest}/hidden", read + "/hidden", ""},
		{"GET", "/api/v1/images/{digest}/explain/{id}", read + "/explain/CVE-2021-44228", ""},
		{"GET", "/api/v1/find", "/api/v1/find?package=log4j-core&range=%3C3", ""},
		{"GET", "/api/v1/images/{digest}/lineage", read + "/lineage", ""},
		{"GET", "/api/v1/compare", "/api/v1/compare?" + pairOf(v).Query(), ""},
		{"GET", "/api/v1/compare/findings", "/api/v1/compare/findings?" + pairOf(v).Query(), ""},
		{"GET", "/api/v1/compare/packages", "/api/v1/compare/packages?limit=1000&" + pairOf(v).Query(), ""},
		{"GET", "/api/v1/history", "/api/v1/history?image=" + list.Name(v.Rows()[0]), ""},
		{"GET", "/api/v1/bases", "/api/v1/bases?scope=stored", ""},
		{"GET", "/api/v1/actions", "/api/v1/actions", ""},
		{"GET", "/api/v1/repositories", "/api/v1/repositories?scope=stored", ""},
		{"GET", "/api/v1/findings", "/api/v1/findings?scope=stored&limit=1000", ""},
		{"GET", "/api/v1/findings/unique", "/api/v1/findings/unique", ""},
		{"GET", "/api/v1/advisories", "/api/v1/advisories", ""},
		{"GET", "/api/v1/advisories/{id}", "/api/v1/advisories/CVE-2021-44228", ""},
		{"POST", "/api/v1/advisories/update", "/api/v1/advisories/update", `{"accept":true}`},
		{"POST", "/api/v1/advisories/own", "/api/v1/advisories/own", "a record"},
		{"POST", "/api/v1/in-use", "/api/v1/in-use", `{"source":"east","digests":["` + string(v.Rows()[0].Digest) + `"]}`},
		{"GET", "/api/v1/coverage", "/api/v1/coverage", ""},
		{"GET", "/api/v1/coverage/gaps", "/api/v1/coverage/gaps", ""},
		{"GET", "/api/v1/coverage/feeds", "/api/v1/coverage/feeds", ""},
		{"GET", "/api/v1/posture", "/api/v1/posture", ""},
		{"GET", "/api/v1/moved", "/api/v1/moved", ""},
		{"GET", "/api/v1/moved/changes", "/api/v1/moved/changes?cause=pushed", ""},
		{"GET", "/api/v1/status", "/api/v1/status", ""},
		{"GET", "/api/v1/changes", "/api/v1/changes?limit=1000", ""},
		{"GET", "/api/v1/search", "/api/v1/search?q=log4j", ""},
		{"GET", "/api/v1/sweeps", "/api/v1/sweeps", ""},
		{"POST", "/api/v1/sweeps", "/api/v1/sweeps", `{"registry":"harbor"}`},
		{"POST", "/api/v1/sweeps/retry", "/api/v1/sweeps/retry", `{"registry":"harbor","cause":"quarantine"}`},
		{"POST", "/api/v1/sweeps/plan", "/api/v1/sweeps/plan", `{"registry":"harbor"}`},
		{"GET", "/api/v1/sweeps/plan", "/api/v1/sweeps/plan?registry=harbor", ""},
		{"GET", "/api/v1/dead-letters", "/api/v1/dead-letters", ""},
		{"POST", "/api/v1/sweeps/cancel", "/api/v1/sweeps/cancel", `{"registry":"harbor"}`},
		{"GET", "/api/v1/reports", "/api/v1/reports", ""},
		{"GET", "/api/v1/reports/draft", "/api/v1/reports/draft?format=json", ""},
		{"GET", "/api/v1/scan", "/api/v1/scan", ""},
		{"GET", "/api/v1/gate", "/api/v1/gate?image=" + list.Name(v.Rows()[0]), ""},
	} {
		status, _, b := s.call(c.method, c.url, s.operator, c.body)
		schema := at(doc, "paths", c.route, strings.ToLower(c.method), "responses", fmt.Sprint(status), "content", "application/json", "schema")
		asked[c.method+" "+c.route] = true
		if schema == nil {
			t.Errorf("%s %s: status %d has no JSON schema: %.200s", c.method, c.url, status, b)
			continue
		}
		var answer any
		if err := json.Unmarshal(b, &answer); err != nil {
			t.Errorf("%s: %v", c.url, err)
		}
		for _, fault := range validate(doc, schema, answer, c.route) {
			t.Error(fault)
		}
	}
	for _, r := range s.api.routes() {
		if name := strings.ReplaceAll(r.pattern, "{id...}", "{id}"); !asked[name] {
			t.Errorf("%s was not asked", name)
		}
	}
}

// validate checks v against the few words of JSON Schema that the document uses; another word is a fault too. At most three
// faults a value.
func validate(doc map[string]any, schema, v any, where string) (faults []string) {
	s, _ := schema.(map[string]any)
	fault := func(format string, args ...any) {
		if len(faults) < 3 {
			faults = append(faults, where+": "+fmt.Sprintf(format, args...))
		}
	}
	if ref, ok := s["$ref"].(string); ok {
		return validate(doc, at(doc, strings.Split(strings.TrimPrefix(ref, "#/"), "/")...), v, where)
	}
	for word, arg := range s {
		switch word {
		case "description", "required", "additionalProperties", "properties", "items", "maxLength", "default":
		case "type":
			if got := typeOf(v); got != arg && !(arg == "number" && got == "integer") {
				fault("%s, want %s: %.100v", got, arg, v)
			}
		case "enum":
			if !slices.ContainsFunc(arg.([]any), func(x any) bool { return fmt.Sprint(x) == fmt.Sprint(v) }) {
				fault("%v is none of %v", v, arg)
			}
		case "pattern":
			if !regexp.MustCompile(arg.(string)).MatchString(fmt.Sprint(v)) {
				fault("%v does not match %v", v, arg)
			}
		case "format":
			if _, err := time.Parse(time.RFC3339, fmt.Sprint(v)); arg == "date-time" && err != nil {
				fault("%v is no %v", v, arg)
			}
		case "oneOf":
			if !slices.ContainsFunc(arg.([]any), func(x any) bool { return validate(doc, x, v, where) == nil }) {
				fault("matches none of oneOf: %.200v", v)
			}
		default:
			fault("the document uses %q, which this test does not know", word)
		}
	}
	switch v := v.(type) {
	case []any:
		for i, x := range v {
			faults = append(faults, validate(doc, s["items"], x, fmt.Sprintf("%s[%d]", where, i))...)
		}
	case map[string]any:
		required, _ := s["required"].([]any)
		for _, name := range required {
			if _, ok := v[name.(string)]; !ok {
				fault("lacks %s", name)
			}
		}
		for _, name := range slices.Sorted(maps.Keys(v)) {
			faults = append(faults, member(doc, s, name, v[name], where)...)
		}
	}
	return faults[:min(len(faults), 3)]
}

func member(doc, s map[string]any, name string, v any, where string) []string {
	if sub := at(s["properties"], name); sub != nil {
		return validate(doc, sub, v, where+"."+name)
	}
	switch extra := s["additionalProperties"].(type) {
	case bool:
		if !extra {
			return []string{where + ": " + name + " is not described"}
		}
	case map[string]any:
		return validate(doc, extra, v, where+"."+name)
	}
	return nil
}

func typeOf(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case bool:
		return "boolean"
	case string:
		return "string"
	case []any:
		return "array"
	case map[string]any:
		return "object"
	case float64:
		if v == float64(int64(v)) {
			return "integer"
		}
	}
	return "number"
}
