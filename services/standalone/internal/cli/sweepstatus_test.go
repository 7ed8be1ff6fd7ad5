package cli

import (
	"bytes"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/standalone/internal/text"
)

// TestSweepStatus: every registry has its line, a running sweep its bar, what is not covered its cause and whether it is retried; no
// line is wider than a ticket takes, whatever names and reasons hold, and the last words say what the exit code means.
func TestSweepStatus(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 25, 1, 45, 0, 0, time.UTC)
	listed, next := now.Add(-30*time.Minute), now.Add(23*time.Hour)
	eta := now.Add(13 * time.Minute)
	green := plimsoll.Sweep{State: plimsoll.SweepGreen, Started: listed.Add(-4 * time.Minute), Listed: listed, Ended: listed, Counts: plimsoll.SweepCount{LayerBytes: 36 << 20}}
	red := green
	red.State, red.Error = plimsoll.SweepRed, "1 repository could not be listed: "+strings.Repeat("long ", 40)
	red.Credentials = []plimsoll.Credential{{Kind: plimsoll.CredentialAccount, State: plimsoll.CredentialEnding, Expires: now.AddDate(0, 0, 9), Detail: "robot$plimsoll"}}
	running := plimsoll.Sweep{State: plimsoll.SweepRunning, Started: now.Add(-45 * time.Minute), Counts: plimsoll.SweepCount{Listed: 31204, Unchanged: 30911, Enqueued: 293, Requests: 12, Throttled: 3, Waited: 40}}
	overtaking := 12
	s := sweeps{Items: []registrySweep{
		{ID: "harbor", Images: 40118, Covered: 31204, LastComplete: &listed, Sweep: &running, Running: &running, Next: &next, Recent: []plimsoll.Sweep{running, green},
			Pace: &pace{Expected: 40118, Done: 31204, Waiting: 8914, Rate: 12, ETA: &eta}, Events: &plimsoll.PushCount{Received: 1204, Late: 2, Duplicate: 31, Missed: 1},
			Pushes: &overtaking, Bounds: &bounds{8, 15}},
		{ID: "ecr-prod", Images: 6310, Covered: 6310, LastComplete: &listed, Sweep: &green, Next: &next, Recent: []plimsoll.Sweep{green}},
		{ID: "ecr-dev-of-the-whole-company", Images: 2990, Covered: 2871, LastComplete: &listed, Sweep: &red, Recent: []plimsoll.Sweep{red}, Gaps: []gap{
			{Cause: "0f12ab34cd56", State: plimsoll.ReadFailed, Reason: `403 on repository "ml/*": role lacks ecr:BatchGetImage` + "\x1b[31m", Images: 114, Example: strings.Repeat("ml/", 60), Since: now.AddDate(0, 0, -3), Retry: "auto"},
			{Cause: "1f12ab34cd56", State: plimsoll.ReadPartial, Reason: "limit reached: 64 GiB inflated", Images: 5, Example: "ml/train:1", Retry: retryNever},
		}},
		{ID: "new", Fault: "temporal is away"},
	}}
	var out bytes.Buffer
	p := text.NewPrinter(&out)
	code, runs := sweepTable{p, now, ""}.show(s)
	if code != exitShort || !runs {
		t.Errorf("exit %d, running %v; want %d and running", code, runs, exitShort)
	}
	for line := range strings.Lines(out.String()) {
		if n := utf8.RuneCountInString(strings.TrimRight(line, "\n")); n > text.Columns {
			t.Errorf("%d columns: %s", n, line)
		}
	}
	for _, want := range []string{
		"harbor          running    31,204 of  40,118 25 Nov 01:15 (4 min)", "ecr-prod        green       6,310 of   6,310 25 Nov 01:15 (4 min)", "37.7 MB   26 Nov 00:45 UTC",
		"77.8 %   done about 01:58 UTC   12 images/s", "listed 31,204 · unchanged 30,911 · to read 293 (12 requests) · waiting 8,914 · failed 0", "  limits: 8 at once, 15 requests/s · 429 answers: 3 (waited 40 s) · pushes overtaking: 12\n",
		"never                              -   not known", "new: whether a sweep runs cannot be told: temporal is away", "not scheduled", `BatchGetImage\u`, "22 Nov", "auto", "PUSH EVENTS, 24 h   received 1,204 · late 2 · duplicate 31 · refused 0 · missed 1 (by listing)",
		"account ends soon on 4 Dec 2026   robot$plimsoll", "exit 2: 1 red, 1 never swept", "plimsoll sweep retry ecr-dev-of-the-whole-company --cause 0f12ab34cd56",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the status lacks %q", want)
		}
	}
	if t.Failed() {
		t.Log("\n" + out.String())
	}
}

// TestSweepPlanIsShown: what a plan counts and leaves out stands within the columns.
func TestSweepPlanIsShown(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	showPlan(text.NewPrinter(&out), plimsoll.SweepPlan{
		Registry: "harbor", Recipe: "0123456789abcdef", Made: time.Date(2026, 11, 25, 1, 0, 0, 0, time.UTC), Repositories: 412, Tags: 40118, Unchanged: 31204, ToRead: 8914,
		Platforms: map[string]int{"linux/amd64": 8000, "linux/arm64": 1200}, Images: 9200, Layers: 31000, LayersKnown: 30000, LayersToRead: 1000, Bytes: 3 << 30,
		Requests: 60000, Rate: 15, AtLimit: 4000 * time.Second,
		LeftOut:    []plimsoll.Omission{{Reason: "no image: application/vnd.cncf.helm.config.v1+json", Count: 12, Of: "manifests", Example: strings.Repeat("charts/", 30) + ":1"}},
		NotCounted: []string{"labels: they stand in configurations, which a plan does not read; the sweep leaves out the images that lack them"},
	})
	for line := range strings.Lines(out.String()) {
		if n := utf8.RuneCountInString(strings.TrimRight(line, "\n")); n > text.Columns {
			t.Errorf("%d columns: %s", n, line)
		}
	}
	for _, want := range []string{"40,118   31,204 read by this recipe already, 8,914 to read", "linux/amd64        8,000", "30,000 have facts, 1,000 to read", "1 h 6 min   at 15 requests a second", "no image: application/vnd.cncf.helm", "COUNTED ABOVE\n  labels: they stand", "plimsoll sweep start harbor"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the plan lacks %q:\n%s", want, out.String())
		}
	}
}
