package pages

import (
	"cmp"
	"context"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/reporter/internal/history"
	"github.com/plimsoll/plimsoll/services/reporter/internal/list"
	"github.com/plimsoll/plimsoll/services/reporter/internal/posturetest"
	"github.com/plimsoll/plimsoll/services/reporter/internal/report"
)

// TestPreview serves the pages of a made-up posture for as long as one looks at them: PLIMSOLL_PREVIEW=127.0.0.1:8090,
// with PLIMSOLL_PREVIEW_TAGS tags, after PLIMSOLL_PREVIEW_DAYS days.
func TestPreview(t *testing.T) {
	addr := os.Getenv("PLIMSOLL_PREVIEW")
	if addr == "" {
		t.Skip("set PLIMSOLL_PREVIEW=host:port to look at the pages")
	}
	tags, err := strconv.Atoi(cmp.Or(os.Getenv("PLIMSOLL_PREVIEW_TAGS"), "240"))
	if err != nil {
		t.Fatal(err)
	}
	days, err := strconv.Atoi(cmp.Or(os.Getenv("PLIMSOLL_PREVIEW_DAYS"), "0"))
	if err != nil {
		t.Fatal(err)
	}
	w := posturetest.New(t, tags)
	for day := range days {
		w.At = w.At.AddDate(0, 0, 1)
		someDay(w, day)
		w.Advance()
	}
	numbers := daysOf(w)
	if err := numbers.Fill(t.Context(), w.At); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("http://%s", l.Addr())
	if err := http.Serve(l, siteAround(w, numbers, surroundings(w))); err != nil {
		t.Fatal(err)
	}
}

func daysOf(w *posturetest.World) *history.Days {
	return history.NewDays(w.Config(), w.Findings, Numbers)
}

// site is without surroundings: what is said of them knows no past moment.
func site(w *posturetest.World, days *history.Days) *http.ServeMux { return siteAround(w, days, nil) }

func siteAround(w *posturetest.World, days *history.Days, around func() list.Around) *http.ServeMux {
	mux := http.NewServeMux()
	New(Config{
		View: w.Engine.View, Replay: replays(w).At, Moved: history.NewMovements(w.Config()).Why, Timeline: history.NewTimelines(w.Config()).Of, Course: w.Findings.Course, Days: days.Until, Around: around, Registries: w.Registries, StaleAfter: 48 * time.Hour, ActiveDays: 30, Now: w.Now, Log: slog.New(slog.DiscardHandler),
		Reports: func(context.Context) ([]report.Manifest, error) {
			return []report.Manifest{{
				Period: "2026-W47", Revision: 1, Cutoff: posturetest.Start.Add(-60 * time.Hour), Made: posturetest.Start.Add(-54 * time.Hour),
				Sentence: "31 of 214 active images fail baseline v1.", Digest: plimsoll.DigestOf([]byte("manifest")),
				Files: []report.File{{Name: "report.html"}, {Name: "findings.csv"}, {Name: "report.json"}},
			}}, nil
		},
	}).Register(mux)
	return mux
}

// surroundings have one hook, schedules, and two requests that failed for good.
func surroundings(w *posturetest.World) func() list.Around {
	return func() list.Around {
		next := w.Now().Add(11 * time.Hour)
		return list.Around{
			Registries: map[string]list.RegistryAround{
				w.Registries[0].ID: {Next: &next, Events: &plimsoll.PushCount{Received: 1204, Late: 2, Duplicate: 31, Missed: 1}},
				w.Registries[1].ID: {Next: &next},
			},
			Letters: list.DeadLetters{Total: 2, Recent: []list.DeadLetter{
				{Registry: w.Registries[0].ID, Repository: "shop/orders", Tags: []string{"2.3", "2.4"}, Lane: "push", Reason: "resolve: no worker answers", Failed: w.Now().Add(-time.Hour), Deliveries: 6, Trace: "20261125T010000Z-0f12ab34cd56"},
				{Registry: w.Registries[0].ID, Repository: "shop/<b>web</b>", Tags: []string{"1"}, Lane: "sweep", Reason: "announce: bucket answers 503", Failed: w.Now().Add(-2 * time.Hour), Deliveries: 6, Trace: "x"},
			}},
		}
	}
}

func replays(w *posturetest.World) *history.Replays { return history.NewReplays(w.Config()) }
