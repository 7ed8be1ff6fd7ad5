package reporter

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/blob"
	"github.com/plimsoll/plimsoll/services/reporter/internal/posture"
	"github.com/plimsoll/plimsoll/services/reporter/internal/posturetest"
)

// TestDaily: a day is exported once, after the night and when there is something to write.
func TestDaily(t *testing.T) {
	t.Parallel()
	w := posturetest.New(t, 10)
	view := w.Engine.View()
	d := &daily{store: w.Store, view: func() *posture.View { return nil }, folder: t.TempDir() + "/not yet", parts: newParts(), log: slog.New(slog.DiscardHandler)}
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
		d.view = func() *posture.View { return step.view }
		d.turn(t.Context(), step.at)
		if got := strings.Join(days(), " "); got != step.want {
			t.Errorf("%s: %q, want %q", step.what, got, step.want)
		}
	}
	// What is old is merged, though the export fails.
	old := func() (n int) {
		for e, err := range w.Store.List(t.Context(), blob.PrefixChanges, "") {
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(e.Key, "/merged/") {
				n++
			}
		}
		return n
	}
	if old() != 0 {
		t.Error("what is young is merged")
	}
	for range 9 {
		w.At = w.At.AddDate(0, 0, 1)
		w.Log("harbor", "anna", plimsoll.Change{Kind: plimsoll.ChangeCommand, Subject: "harbor", Text: "sweep start"})
	}
	d.folder = "/dev/null/x"
	d.turn(t.Context(), morning.Add(80*time.Hour))
	if err := d.parts.get(partExports); err == nil {
		t.Error("a file that cannot be made is not told")
	}
	if d.turn(t.Context(), morning.AddDate(0, 0, 40).Add(time.Hour)); old() == 0 || d.parts.get(partLog) != nil {
		t.Errorf("%d merged objects, %v", old(), d.parts.get(partLog))
	}
}
