package pages

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/blob"
	"github.com/plimsoll/plimsoll/services/reporter/internal/posturetest"
)

// TestSweepPage: a night's cell on the Coverage page and a mark on the Overview lead to the sweep, which tells what it did, what it
// left out and why it was not green; sweeps lead to those before and after.
func TestSweepPage(t *testing.T) {
	t.Parallel()
	w := posturetest.New(t, 24)
	started := w.At.Add(-2 * time.Hour).UTC().Truncate(time.Second)
	x := plimsoll.Sweep{
		Registry: "harbor", Slot: started.Format("20060102T150405Z"), State: plimsoll.SweepRed, Actor: "schedule" + posturetest.Hostile, Recipe: "0123456789abcdef",
		Started: started, Listed: started.Add(20 * time.Minute), Ended: started.Add(66 * time.Minute), Repositories: 1,
		Counts: plimsoll.SweepCount{
			Listed: 40_118, Unchanged: 31_204, Enqueued: 8_914, Requests: 300, Complete: 40_000, Failed: 118, Throttled: 3, Waited: 40, Missed: 1, LayerBytes: 1 << 30,
			LeftOut: plimsoll.LeftOut{Labels: 12},
		},
		Causes: []plimsoll.Cause{{Reason: "HTTP 403 " + posturetest.Hostile, State: plimsoll.ReadFailed, Images: 114, Example: "ml/train:1", Since: started}},
	}
	if err := blob.PutJSON(t.Context(), w.Store, blob.SweepKey("harbor", x.Slot), x); err != nil {
		t.Fatal(err)
	}
	w.Log("harbor", "sweep", plimsoll.Change{Kind: plimsoll.ChangeSweep, Subject: x.Slot, Text: string(x.State)})
	w.Advance()
	b := browse(t, w)
	url := sweepURL(x)
	for _, from := range []string{"/coverage", "/"} {
		if !strings.Contains(b.page(from), `href="`+url+`"`) {
			t.Errorf("%s does not lead to %s", from, url)
		}
	}
	page := b.page(url)
	for _, want := range []string{
		`<span class="night red">red</span>`, "40,118 tags in 1 repository", "31,204 unchanged · 8,914 sent to be read in 300 requests", "429 answers 3 · waited 40 s",
		"after 1 h 6 min", `<td class="r">118</td>`, "12 images by labels", "HTTP 403 ", "ml/train:1", "plimsoll sweep retry harbor",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if strings.Contains(page, "<script>alert") || strings.Contains(page, "\x1b") {
		t.Error("hostile text stands raw")
	}
	older := regexp.MustCompile(`<a href="([^"]*)" rel="prev">`).FindStringSubmatch(page)
	if older == nil || !strings.Contains(b.page(older[1]), `href="`+url+`" rel="next"`) {
		t.Errorf("the sweep before (%v) does not lead back", older)
	}
	for _, none := range []string{"/sweep/harbor/20010101T000000Z", "/sweep/nowhere/" + x.Slot, "/sweep/harbor/%3Cb%3E"} {
		if status, _, text := b.get(none); status != http.StatusNotFound || !strings.Contains(text, "No such sweep") || strings.Contains(text, "<b>") {
			t.Errorf("%s: %d %.200s", none, status, text)
		}
	}
}

func TestTook(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{0: "0 s", 1500 * time.Millisecond: "2 s", 59 * time.Second: "59 s", 90 * time.Second: "1 min", 66 * time.Minute: "1 h 6 min", 50 * time.Hour: "50 h 0 min"} {
		if got := took(d); got != want {
			t.Errorf("%s took %q, want %q", d, got, want)
		}
	}
}
