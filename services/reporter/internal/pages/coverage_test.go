package pages

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/plimsoll/plimsoll/services/reporter/internal/posturetest"
)

// TestCoverageTellsOfTheEnginesAround: push events, the next sweep, credentials and dead letters stand on the page, and at a past
// moment it says that it does not know them.
func TestCoverageTellsOfTheEnginesAround(t *testing.T) {
	t.Parallel()
	w := posturetest.New(t, 24)
	days := daysOf(w)
	mux := siteAround(w, days, surroundings(w))
	page := func(path string) string {
		r := httptest.NewRecorder()
		mux.ServeHTTP(r, httptest.NewRequest("GET", path, nil))
		if r.Code != 200 {
			t.Fatalf("GET %s: %d", path, r.Code)
		}
		return r.Body.String()
	}
	now := page("/coverage")
	for _, want := range []string{
		"received 1,204 · late 2 · duplicate 31 · refused 0 · <b class=\"bad\">missed 1</b>", "no hook is set up",
		"ends soon", "robot$plimsoll", "2 scan requests failed for good", "resolve: no worker answers", "shop/&lt;b&gt;web&lt;/b&gt;",
		"plimsoll sweep retry ", "No bound on what is read from outside was hit.",
	} {
		if !strings.Contains(now, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	past := page("/coverage?at=" + w.At.UTC().Format("2006-01-02T15:04:05Z"))
	for _, lacks := range []string{"received 1,204", "failed for good"} {
		if strings.Contains(past, lacks) {
			t.Errorf("the page of a past moment says %q", lacks)
		}
	}
	if !strings.Contains(past, "not told for a past moment") {
		t.Error("the page of a past moment does not say that it knows no schedule")
	}
}
