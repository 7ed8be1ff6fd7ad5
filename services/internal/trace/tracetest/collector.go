// Package tracetest is a collector of spans for tests: it takes OTLP over HTTP, as a real one does.
package tracetest

import (
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	wire "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// Span is one span as it arrived.
type Span struct {
	Service           string // service.name of its resource
	Name              string
	Kind              string // "server", "client", "producer", "consumer" or "internal"
	Trace, ID, Parent string // hexadecimal; Parent is empty at the root
	About             map[string]string
	Error             string // of a failed step
	Start, End        time.Time
}

// Collector keeps what it is sent.
type Collector struct {
	URL string // the value of OTEL_EXPORTER_OTLP_ENDPOINT

	mu    sync.Mutex
	spans []Span
	more  chan struct{} // closed at the next arrival
}

// Start serves until the test ends.
func Start(tb testing.TB) *Collector {
	tb.Helper()
	c := &Collector{more: make(chan struct{})}
	server := httptest.NewServer(http.HandlerFunc(c.take))
	tb.Cleanup(server.Close)
	c.URL = server.URL
	return c
}

func (c *Collector) take(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var in collector.ExportTraceServiceRequest
	if err == nil {
		err = proto.Unmarshal(body, &in)
	}
	if r.Method != http.MethodPost || r.URL.Path != "/v1/traces" || r.Header.Get("Content-Type") != "application/x-protobuf" || err != nil {
		http.Error(w, fmt.Sprintf("not an export of spans: %s %s: %v", r.Method, r.URL.Path, err), http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, of := range in.GetResourceSpans() {
		service := attributes(of.GetResource().GetAttributes())["service.name"]
		for _, scope := range of.GetScopeSpans() {
			for _, s := range scope.GetSpans() {
				c.spans = append(c.spans, spanOf(service, s))
			}
		}
	}
	close(c.more)
	c.more = make(chan struct{})
}

func spanOf(service string, s *wire.Span) Span {
	return Span{
		Service: service, Name: s.GetName(), Kind: strings.ToLower(strings.TrimPrefix(s.GetKind().String(), "SPAN_KIND_")),
		Trace: hex.EncodeToString(s.GetTraceId()), ID: hex.EncodeToString(s.GetSpanId()), Parent: hex.EncodeToString(s.GetParentSpanId()),
		About: attributes(s.GetAttributes()), Error: s.GetStatus().GetMessage(),
		Start: time.Unix(0, int64(s.GetStartTimeUnixNano())), End: time.Unix(0, int64(s.GetEndTimeUnixNano())),
	}
}

func attributes(all []*common.KeyValue) map[string]string {
	m := map[string]string{}
	for _, a := range all {
		m[a.GetKey()] = a.GetValue().GetStringValue()
	}
	return m
}

// Spans are those that have arrived, in the order of their start.
func (c *Collector) Spans() []Span {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := slices.Clone(c.spans)
	slices.SortStableFunc(all, func(a, b Span) int { return a.Start.Compare(b.Start) })
	return all
}

// patience bounds a wait: spans are sent every five seconds.
const patience = time.Minute

// Wait returns the spans as soon as enough says that they are.
func (c *Collector) Wait(tb testing.TB, enough func([]Span) bool) []Span {
	tb.Helper()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for {
		c.mu.Lock()
		more := c.more
		c.mu.Unlock()
		all := c.Spans()
		if enough(all) {
			return all
		}
		select {
		case <-more:
		case <-timer.C:
			tb.Fatalf("waited in vain for spans; there are:\n%s", Tree(all))
		}
	}
}

// Tree draws spans as their parents have them: "service: name", indented by one more than the parent. A span whose parent did
// not arrive stands at the left with a question mark.
func Tree(all []Span) string {
	children, known := map[string][]Span{}, map[string]bool{}
	for _, s := range all {
		children[s.Parent] = append(children[s.Parent], s)
		known[s.ID] = true
	}
	var out strings.Builder
	var draw func(s Span, depth int, mark string)
	draw = func(s Span, depth int, mark string) {
		fmt.Fprintf(&out, "%s%s%s: %s\n", strings.Repeat("  ", depth), mark, s.Service, s.Name)
		for _, child := range children[s.ID] {
			draw(child, depth+1, "")
		}
	}
	for _, s := range all {
		switch {
		case s.Parent == "":
			draw(s, 0, "")
		case !known[s.Parent]:
			draw(s, 0, "? ")
		}
	}
	return out.String()
}
