package registry

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/imagetest"
)

// TestMetrics: each answer is counted once by its class, a request without an answer as none, and the time for which the
// registry asked to be left alone.
func TestMetrics(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.Intercept(imagetest.Answer(1, http.StatusTooManyRequests, http.Header{"Retry-After": {"1"}}, nil))
	m := NewMetrics()
	c, err := newClient(plimsoll.Registry{ID: "corp", URL: f.URL()}, Options{Metrics: m}, quick())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Head(t.Context(), repository, tag); err != nil {
		t.Fatal(err)
	}
	f.Intercept(imagetest.Answer(1, http.StatusBadGateway, nil, nil))
	if _, err := c.Head(t.Context(), repository, "missing"); err == nil {
		t.Fatal("a tag that is not there")
	}
	f.Close()
	if _, err := c.Head(t.Context(), repository, tag); err == nil {
		t.Fatal("an answer of a registry that is gone")
	}
	metrics := prometheus.NewRegistry()
	metrics.MustRegister(m.Collectors()...)
	page := httptest.NewRecorder()
	promhttp.HandlerFor(metrics, promhttp.HandlerOpts{}).ServeHTTP(page, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	var got []string
	var seconds float64
	for line := range strings.Lines(page.Body.String()) {
		if rest, ok := strings.CutPrefix(line, "plimsoll_registry_answers_total"); ok {
			got = append(got, strings.TrimSpace(rest))
		}
		_, _ = fmt.Sscanf(line, `plimsoll_registry_throttled_seconds_total{registry="corp"} %g`, &seconds)
	}
	want := []string{
		`{class="2xx",registry="corp"} 1`, `{class="429",registry="corp"} 1`, `{class="4xx",registry="corp"} 1`,
		`{class="5xx",registry="corp"} 1`, `{class="none",registry="corp"} 4`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("answers (-want +got):\n%s", diff)
	}
	if seconds < 0.9 || seconds > 1.1 {
		t.Errorf("%v seconds throttled, want 1", seconds)
	}
}

func TestStatusClass(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]string{0: "none", 100: "other", 200: "2xx", 206: "2xx", 307: "3xx", 401: "4xx", 429: "429", 500: "5xx", 599: "5xx", 999: "other", -1: "other"} {
		if got := statusClass(status); got != want {
			t.Errorf("statusClass(%d) = %s, want %s", status, got, want)
		}
	}
}
