package e2e

import (
	"slices"
	"strings"
	"testing"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/trace/tracetest"
)

// TestTrace: one push is one trace, from its event through the queue, the workflow, the worker, the registry and the bucket to
// the verdict, each step below the one that led to it; a sweep makes none.
func TestTrace(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	collector := tracetest.Start(t)
	listen := freeAddress(t)
	d := newDistribution(t, "http://"+listen+"/hooks/corp")
	s := up(t, setup{
		listen: listen, registries: []plimsoll.Registry{d.configured()}, advisories: sampleAdvisories(t),
		env: []string{"OTEL_EXPORTER_OTLP_ENDPOINT=" + collector.URL},
	})
	d.push("shop/web", "1.0", app(t, "amd64", "lodash", "4.17.11"))
	s.image(ctx, "corp", "shop/web:1.0", isComplete)
	s.sweep(ctx, "corp")
	s.stop() // which sends what is left

	all := collector.Spans()
	id := ""
	for _, span := range all {
		if span.Name == "push event" && span.About["plimsoll.repository"] == "shop/web" {
			id = span.Trace
		}
	}
	trace := slices.DeleteFunc(slices.Clone(all), func(s tracetest.Span) bool { return s.Trace != id })
	tree := tracetest.Tree(trace)
	for _, path := range [][]string{
		{"plimsoll-scheduler: push event", "plimsoll-scheduler: queue request", "plimsoll-scheduler: scan request", "plimsoll-scheduler: ScanImages"},
		{"plimsoll-scheduler: ScanImages", "plimsoll-scheduler: scan.Resolve", "plimsoll-scheduler: plimsoll.worker.v1.Worker/Resolve",
			"plimsoll-worker: plimsoll.worker.v1.Worker/Resolve", "plimsoll-worker: registry GET"},
		{"plimsoll-worker: plimsoll.worker.v1.Worker/Resolve", "plimsoll-worker: bucket write"},
		{"plimsoll-scheduler: ScanImages", "plimsoll-scheduler: scan.Analyze", "plimsoll-scheduler: plimsoll.worker.v1.Worker/Analyze",
			"plimsoll-worker: plimsoll.worker.v1.Worker/Analyze", "plimsoll-worker: registry GET"},
		{"plimsoll-worker: plimsoll.worker.v1.Worker/Analyze", "plimsoll-worker: read layer"},
		{"plimsoll-worker: plimsoll.worker.v1.Worker/Analyze", "plimsoll-worker: bucket write"},
		{"plimsoll-scheduler: scan.Assemble", "plimsoll-scheduler: plimsoll.worker.v1.Worker/Assemble", "plimsoll-worker: plimsoll.worker.v1.Worker/Assemble"},
		{"plimsoll-scheduler: ScanImages", "plimsoll-scheduler: scan.Announce", "plimsoll-reporter: verdict"},
	} {
		if !has(trace, path) {
			t.Errorf("no steps %q in the trace", strings.Join(path, " > "))
		}
	}
	for _, span := range trace {
		if span.Parent == "" && span.Name != "push event" {
			t.Errorf("%s has no parent", span.Name)
		}
		if span.Name == "verdict" && span.About["plimsoll.verdict"] != "fail" {
			t.Errorf("the verdict of the trace is %q, want fail", span.About["plimsoll.verdict"])
		}
	}
	if strings.Contains(tree, "?") {
		t.Error("steps whose parent is missing (?)")
	}
	for _, span := range all {
		if span.Parent == "" && span.Name != "push event" {
			t.Errorf("a trace begins with %q, want pushes alone", span.Name)
		}
	}
	t.Logf("the trace of the push, of %d spans in all:\n%s", len(all), tree)
}

// has tells whether spans stand below each other as a path of "service: name" says, from any span on.
func has(all []tracetest.Span, path []string) bool {
	at := map[string]bool{}
	for i, step := range path {
		next := map[string]bool{}
		for _, s := range all {
			if s.Service+": "+s.Name == step && (i == 0 || at[s.Parent]) {
				next[s.ID] = true
			}
		}
		at = next
	}
	return len(at) > 0
}
