package api

import (
	"net/http"
	"strings"
	"testing"

	"github.com/plimsoll/plimsoll/services/reporter/internal/list"
	"github.com/plimsoll/plimsoll/services/reporter/internal/posture"
)

// pairOf asks to compare the worst image that is not alone in its repository with the newest other tag.
func pairOf(v *posture.View) list.Question {
	for _, r := range v.Rows() {
		if all := list.Others(v, r, 1); len(all) > 0 && r.Findings > 0 {
			return list.Question{Image: list.Name(r), Platform: r.Platform.String(), With: all[0].Reference.Tag}
		}
	}
	return list.Question{}
}

// TestCompare: the counts are those of the lists, and what is not stored is told apart from what is asked wrong.
func TestCompare(t *testing.T) {
	t.Parallel()
	s := newSite(t, 60)
	q := pairOf(s.world.Engine.View())
	got := decode[list.Comparison](t, s.get("/api/v1/compare?"+q.Query()))
	for change, counts := range got.Findings {
		for severity, want := range counts {
			lines := string(s.get("/api/v1/compare/findings?format=ndjson&" + q.Narrow(change, severity).Query()))
			if n := strings.Count(lines, "\n"); n != want {
				t.Errorf("%s, %s: %d findings listed, want %d", change, severity, n, want)
			}
		}
	}
	for change, want := range got.Packages {
		q := q
		q.Packages = change
		if n := strings.Count(string(s.get("/api/v1/compare/packages?format=csv&"+q.Query())), "\n") - 1; n != want {
			t.Errorf("%s: %d packages listed, want %d", change, n, want)
		}
	}
	for query, want := range map[string]int{
		q.Query() + "&colour=red": http.StatusBadRequest, q.Query() + "&change=great": http.StatusBadRequest, q.Query() + "&severity=bad": http.StatusBadRequest,
		"image=harbor/none:1&with=2": http.StatusNotFound, "image=" + q.Image + "&with=none": http.StatusNotFound, "image=" + q.Image: http.StatusBadRequest,
		"image=" + q.Image + "&with=" + q.With + "&with_platform=plan9/mips": http.StatusNotFound,
		q.Query() + "&at=2026-11-25T12:00:00Z":                               http.StatusOK,
	} {
		if status, _, b := s.call("GET", "/api/v1/compare?"+query, s.operator, ""); status != want {
			t.Errorf("%s: %d %s, want %d", query, status, b, want)
		}
	}
}
