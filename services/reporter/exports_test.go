package reporter

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/plimsoll/plimsoll/services/internal/blob"
	"github.com/plimsoll/plimsoll/services/reporter/internal/posture"
	"github.com/plimsoll/plimsoll/services/reporter/internal/posturetest"
)

// TestExporter: a day is written once, after the night and when there is something to write.
func TestExporter(t *testing.T) {
	t.Parallel()
	w := posturetest.New(t, 10)
	view := w.Engine.View()
	e := &exporter{store: w.Store, view: func() *posture.View { return nil }, folder: t.TempDir() + "/not yet", parts: newParts(), log: slog.New(slog.DiscardHandler)}
	morning := time.Date(2026, 11, 26, 5, 59, 0, 0, time.UTC)
	days := func() (all []string) {
		for e, err := range w.Store.List(t.Context(), blob.PrefixPosture, "") {
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, strings.Split(e.Key, "/")[1])
		}
		return all
	}
	for _, step := range []struct {
		what string
		view *posture.View
		at   time.Time
		want string
	}{
		{"no posture yet", nil, morning.Add(time.Hour), ""},
		{"no image yet", posturetest.Empty(t).Engine.View(), morning.Add(time.Hour), ""},
		{"night", view, morning, ""},
		{"morning", view, morning.Add(time.Minute), "dt=2026-11-26"},
		{"later", view, morning.Add(12 * time.Hour), "dt=2026-11-26"},
		{"next night", view, morning.Add(24 * time.Hour), "dt=2026-11-26"},
		{"next day, far from UTC", view, morning.Add(30 * time.Hour).In(time.FixedZone("", -11*3600)), "dt=2026-11-26 dt=2026-11-27"},
	} {
		e.view = func() *posture.View { return step.view }
		e.turn(t.Context(), step.at)
		if got := strings.Join(days(), " "); got != step.want {
			t.Errorf("%s: %q, want %q", step.what, got, step.want)
		}
	}
	e.folder = "/dev/null/x"
	e.turn(t.Context(), morning.Add(80*time.Hour))
	if err := e.parts.get(partExports); err == nil {
		t.Error("a file that cannot be made is not told")
	}
}
