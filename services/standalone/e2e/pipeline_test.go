package e2e

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/imagetest"
)

// TestPush: a push's notification gives a verdict; a tag that moves gives another; an index gives one a platform.
func TestPush(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	listen := freeAddress(t)
	d := newDistribution(t, "http://"+listen+"/hooks/corp")
	s := up(t, setup{listen: listen, registries: []plimsoll.Registry{d.configured()}, advisories: sampleAdvisories(t)})

	old := app(t, "amd64", "lodash", "4.17.11")
	d.push("shop/web", "1.0", old)
	got := s.image(ctx, "corp", "shop/web:1.0", isComplete)
	if got.Verdict != plimsoll.VerdictFail || !got.has("CVE-2019-10744") {
		t.Errorf("verdict of lodash 4.17.11 = %s with %d findings, want fail with CVE-2019-10744", got.Verdict, len(got.Findings))
	}
	if !got.has("CVE-2024-58251") {
		t.Errorf("the base's busybox has CVE-2024-58251, not found among %d findings", len(got.Findings))
	}

	d.push("shop/web", "1.0", app(t, "amd64", "lodash", "4.17.23"))
	got = s.image(ctx, "corp", "shop/web:1.0", func(im scanned) error {
		if im.Digest == plimsoll.Digest(digestOf(t, old).String()) {
			return fmt.Errorf("still the old digest")
		}
		return isComplete(im)
	})
	if got.has("CVE-2019-10744") {
		t.Error("the tag moved to lodash 4.17.23 and still shows CVE-2019-10744")
	}

	two, err := imagetest.Index(imagetest.Child{Image: app(t, "amd64", "lodash", "4.17.11")}, imagetest.Child{Image: app(t, "arm64", "lodash", "4.17.23")})
	if err != nil {
		t.Fatal(err)
	}
	d.push("shop/two", "1.0", two)
	s.image(ctx, "corp", "shop/two:1.0", isComplete)
	all, err := s.images(ctx, "corp")
	if err != nil {
		t.Fatal(err)
	}
	var platforms []string
	for _, im := range all {
		if strings.HasSuffix(im.Reference, "/shop/two:1.0") {
			platforms = append(platforms, fmt.Sprintf("%s %t", im.Platform, im.has("CVE-2019-10744")))
		}
	}
	slices.Sort(platforms)
	if want := []string{"linux/amd64 true", "linux/arm64 false"}; !slices.Equal(platforms, want) {
		t.Errorf("platforms with the finding = %v, want %v", platforms, want)
	}
}

// TestSweep: a first sweep reads each unique layer once, a second reads nothing; a deleted image is gone after two complete
// listings; what is no image is not applicable.
func TestSweep(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	d := newDistribution(t, "")
	s := up(t, setup{registries: []plimsoll.Registry{d.configured()}, advisories: sampleAdvisories(t)})
	d.push("shop/web", "1.0", app(t, "amd64", "lodash", "4.17.11"))
	d.push("shop/web", "1.1", app(t, "amd64", "lodash", "4.17.23"))
	d.push("shop/api", "2.0", app(t, "amd64", "minimist", "1.2.0"))
	chart, err := imagetest.Artifact("application/vnd.cncf.helm.config.v1+json", "", "application/vnd.cncf.helm.chart.content.v1.tar+gzip", []byte("chart"))
	if err != nil {
		t.Fatal(err)
	}
	d.push("charts/shop", "0.1.0", chart)

	first := s.sweep(ctx, "corp")
	if first.State != plimsoll.SweepGreen || first.Counts.Listed != 4 || first.Counts.Complete != 3 || first.Counts.NotApplicable != 1 {
		t.Errorf("first sweep = %s %+v (%s), want green, 4 listed, 3 complete, 1 not applicable", first.State, first.Counts, first.Error)
	}
	for _, name := range []string{"shop/web:1.0", "shop/web:1.1", "shop/api:2.0"} {
		s.image(ctx, "corp", name, isComplete)
	}
	read := d.blobReads.Load()
	second := s.sweep(ctx, "corp")
	if second.State != plimsoll.SweepGreen || second.Counts.Unchanged != 4 || second.Counts.Requests != 0 {
		t.Errorf("second sweep = %s %+v, want green, all 4 unchanged, no request", second.State, second.Counts)
	}
	if again := d.blobReads.Load() - read; again != 0 {
		t.Errorf("the second sweep read %d blobs, want none", again)
	}

	d.remove("shop/api", digestOf(t, app(t, "amd64", "minimist", "1.2.0")))
	third := s.sweep(ctx, "corp")
	if third.Counts.Gone != 0 {
		t.Errorf("gone after one complete listing: %+v, want two listings", third.Counts)
	}
	s.image(ctx, "corp", "shop/api:2.0", func(scanned) error { return nil })
	if fourth := s.sweep(ctx, "corp"); fourth.Counts.Gone != 1 {
		t.Errorf("gone after two complete listings = %d, want 1", fourth.Counts.Gone)
	}
	eventually(ctx, t, "shop/api:2.0 leaves the posture", func() error {
		all, err := s.images(ctx, "corp")
		if err != nil {
			return err
		}
		for _, im := range all {
			if strings.HasSuffix(im.Reference, "/shop/api:2.0") {
				return fmt.Errorf("still there")
			}
		}
		return nil
	})
}

// TestKill: the process is killed in the middle of a first sweep; restarted, the sweep ends complete, and only what was in
// flight is read again.
func TestKill(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	d := newDistribution(t, "")
	const images = 12
	for i := range images {
		d.push(fmt.Sprintf("shop/app%d", i), "1.0", app(t, "amd64", "lodash", "4.17.11", "minimist", fmt.Sprintf("1.2.%d", i)))
	}
	set := setup{data: t.TempDir(), registries: []plimsoll.Registry{d.configured()}, advisories: sampleAdvisories(t)}
	s := up(t, set)
	// The sixth layer read holds until the process is dead.
	var reads atomic.Int32
	reached, dead := make(chan struct{}), make(chan struct{})
	hold := func(*http.Request) {
		if reads.Add(1) == 6 {
			close(reached)
			<-dead
		}
	}
	d.hold.Store(&hold)
	if err := s.call(ctx, http.MethodPost, "/api/v1/sweeps", map[string]string{"registry": "corp"}, nil); err != nil {
		t.Fatal(err)
	}
	select {
	case <-reached:
	case <-ctx.Done():
		t.Fatal("the sweep never read six blobs")
	}
	s.kill()
	d.hold.Store(nil)
	close(dead)

	s = up(t, set)
	var last plimsoll.Sweep
	eventually(ctx, t, "the sweep ends after the restart", func() (err error) {
		last, err = s.lastSweep(ctx, "corp")
		if err == nil && last.Ended.IsZero() {
			err = fmt.Errorf("%s %+v", last.State, last.Counts)
		}
		return err
	})
	if last.State != plimsoll.SweepGreen || last.Counts.Complete != images {
		t.Errorf("sweep = %s %+v, want green with %d complete", last.State, last.Counts, images)
	}
	for i := range images {
		s.image(ctx, "corp", fmt.Sprintf("shop/app%d:1.0", i), isComplete)
	}
}

// TestPushIsQuick measures and reports; it asserts only that a verdict comes.
func TestPushIsQuick(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	listen := freeAddress(t)
	d := newDistribution(t, "http://"+listen+"/hooks/corp")
	s := up(t, setup{listen: listen, registries: []plimsoll.Registry{d.configured()}, advisories: sampleAdvisories(t)})
	d.push("warm/up", "1", app(t, "amd64", "lodash", "4.17.11"))
	s.image(ctx, "corp", "warm/up:1", isComplete)
	var took []time.Duration
	for i := range 5 {
		image := app(t, "amd64", "lodash", fmt.Sprintf("4.17.%d", i))
		began := time.Now()
		d.push("shop/quick", "1", image)
		want := plimsoll.Digest(digestOf(t, image).String())
		s.image(ctx, "corp", "shop/quick:1", func(im scanned) error {
			if im.Digest != want {
				return fmt.Errorf("still %s", im.Digest)
			}
			return isComplete(im)
		})
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	t.Logf("push to verdict: median %s, worst %s", took[2], took[4])
}

// TestRegistryDown: a registry that does not answer makes one failed sweep with one clear line, and nothing is called gone.
func TestRegistryDown(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	down := plimsoll.Registry{ID: "corp", URL: "http://" + nobody, Sweep: plimsoll.Schedule{Cron: "off"}}
	s := up(t, setup{registries: []plimsoll.Registry{down}})
	sweep := s.sweep(ctx, "corp")
	if sweep.State != plimsoll.SweepFailed || !strings.Contains(sweep.Error, "refused") {
		t.Errorf("sweep of a dead registry = %s %q, want failed with why", sweep.State, sweep.Error)
	}
}
