package sweep

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/plimsoll/plimsoll"
	scanv1 "github.com/plimsoll/plimsoll/proto/scan/v1"
	"github.com/plimsoll/plimsoll/services/internal/blob"
	"github.com/plimsoll/plimsoll/services/internal/blob/blobtest"
	"github.com/plimsoll/plimsoll/services/internal/imagetest"
	"github.com/plimsoll/plimsoll/services/internal/registry"
	"github.com/plimsoll/plimsoll/services/scheduler/internal/discover"
	"github.com/plimsoll/plimsoll/services/scheduler/internal/queue"
	"github.com/plimsoll/plimsoll/services/scheduler/internal/queue/queuetest"
	"github.com/plimsoll/plimsoll/workflows"
)

var bucket blob.Config

func TestMain(m *testing.M) { os.Exit(blobtest.Main(m, &bucket)) }

// shared is the one bucket of these tests; each has a registry id of its own in it.
var shared = sync.OnceValues(func() (*blob.Store, error) { return blob.Open(context.Background(), bucket) })

const recipe plimsoll.Recipe = "0123456789abcdef"

var analyzers = []plimsoll.Analyzer{{Name: plimsoll.AnalyzerTree, Version: 1, Config: "0"}, {Name: plimsoll.AnalyzerPackages, Version: 2, Config: "0"}}

// ids gives each test a registry id of its own, so that all share one bucket.
var ids atomic.Int64

// bench is one registry with everything around it, all real but the workers.
type bench struct {
	t        *testing.T
	id       string
	registry *imagetest.Registry
	conf     plimsoll.Registry
	store    *blob.Store
	queue    *queue.Queue
	server   *queuetest.Server
	sweeper  *Sweeper
	stopping chan struct{}
	clock    time.Time
	running  []int // scans that each look at what runs finds
}

// cancelled is one look at the scans that run.
func (b *bench) cancelled() (n int, err error) {
	if len(b.running) > 0 {
		n, b.running = b.running[0], b.running[1:]
	}
	return n, nil
}

func newBench(t *testing.T, change func(*plimsoll.Registry)) *bench {
	t.Helper()
	b := &bench{t: t, id: fmt.Sprint("reg", ids.Add(1)), stopping: make(chan struct{}), clock: time.Now().Truncate(time.Second)}
	b.registry = imagetest.NewRegistry(imagetest.RegistryOptions{})
	if err := b.registry.Start("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.registry.Close)
	b.conf = plimsoll.Registry{ID: b.id, URL: b.registry.URL()}
	if change != nil {
		change(&b.conf)
	}
	store, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	b.store = store
	b.server = queuetest.Start(t)
	b.queue, err = queue.New(b.server.Connect(), queue.Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.queue.Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	client, err := registry.New(b.conf, registry.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	source, err := discover.New(client)
	if err != nil {
		t.Fatal(err)
	}
	b.sweeper = b.over(source)
	return b
}

// over is a sweeper that lists through another client.
func (b *bench) over(client Lister) *Sweeper {
	return New(Config{
		Registries: map[string]Registry{b.id: {Conf: b.conf, Client: client}},
		Store:      b.store, Queue: b.queue, Window: 1000, Poll: 5 * time.Millisecond, Stopping: b.stopping,
		Recipe:      func(context.Context) (plimsoll.Recipe, error) { return recipe, nil },
		Analyzers:   func(context.Context) ([]plimsoll.Analyzer, error) { return analyzers, nil },
		CancelScans: func(context.Context, string, string) (int, error) { return b.cancelled() },
		Log:         slog.New(slog.DiscardHandler),
	})
}

// push stores an image of one small layer under a tag and returns its digest.
func (b *bench) push(repository, tag, content string) plimsoll.Digest {
	b.t.Helper()
	layer := imagetest.Gzip(imagetest.Layer(imagetest.Text("content", content)))
	image := imagetest.Must(imagetest.Image(imagetest.Options{Layers: []imagetest.Blob{layer}}))
	if err := imagetest.Push(b.t.Context(), b.registry.Host(), repository, tag, image); err != nil {
		b.t.Fatalf("push %s:%s: %v", repository, tag, err)
	}
	return plimsoll.Digest(imagetest.Must(image.Digest()).String())
}

// sweep does a whole sweep as its workflow would, and answers its requests.
func (b *bench) sweep() plimsoll.Sweep {
	b.t.Helper()
	b.clock = b.clock.Add(2 * time.Second) // each sweep has its slot
	s := plimsoll.Sweep{Registry: b.id, Slot: b.clock.UTC().Format(slotLayout), Started: b.clock, State: plimsoll.SweepRunning, Recipe: recipe, Actor: "schedule"}
	ctx := b.t.Context()
	for cursor := ""; ; {
		got, err := b.sweeper.Page(ctx, workflows.PageInput{Registry: b.id, Slot: s.Slot, Actor: s.Actor, Recipe: recipe, Cursor: cursor}, "", func(string) {})
		if err != nil {
			s.Error = err.Error()
			break
		}
		s.Counts, s.Repositories, cursor = sum(s.Counts, got.Counts), s.Repositories+got.Repositories, got.Cursor
		if got.Done {
			s.Listed = b.clock
			break
		}
	}
	b.answer()
	if s.Error == "" {
		if err := b.sweeper.Drain(ctx, b.id, s.Slot, func(string) {}); err != nil {
			b.t.Fatalf("Drain: %v", err)
		}
	}
	final, err := b.sweeper.Finish(ctx, s, func(string) {})
	if err != nil {
		b.t.Fatalf("Finish: %v", err)
	}
	return final
}

// requests takes all requests out of the queue.
func (b *bench) requests() (all []*scanv1.ScanRequest) {
	b.t.Helper()
	js, err := jetstream.New(b.server.Connect())
	if err != nil {
		b.t.Fatal(err)
	}
	c, err := js.CreateOrUpdateConsumer(b.t.Context(), scanv1.StreamRequests, jetstream.ConsumerConfig{Durable: "test", FilterSubject: scanv1.SubjectsRequests, AckPolicy: jetstream.AckExplicitPolicy})
	if err != nil {
		b.t.Fatal(err)
	}
	batch, err := c.FetchNoWait(10_000)
	if err != nil {
		b.t.Fatal(err)
	}
	for m := range batch.Messages() {
		r := new(scanv1.ScanRequest)
		if err := proto.Unmarshal(m.Data(), r); err != nil {
			b.t.Fatal(err)
		}
		if err := m.DoubleAck(b.t.Context()); err != nil {
			b.t.Fatal(err)
		}
		all = append(all, r)
	}
	return all
}

// answer does what scans of all waiting requests would do to refs/.
func (b *bench) answer() {
	b.t.Helper()
	for _, r := range b.requests() {
		_, err := b.store.MergeRefs(b.t.Context(), b.id, r.GetRepository(), func(tags map[string]plimsoll.Ref) (changed []string) {
			for _, target := range r.GetTargets() {
				ref := tags[target.GetTag()]
				ref.Tag, ref.Digest, ref.Recipe, ref.Read = target.GetTag(), plimsoll.Digest(target.GetDigest()), recipe, plimsoll.Complete()
				ref.Observed = max(ref.Observed, target.GetObserved())
				ref.Platforms = []plimsoll.RefPlatform{{Digest: ref.Digest, Read: map[string]plimsoll.Coverage{"packages": plimsoll.Complete()}}}
				tags[ref.Tag] = ref
				changed = append(changed, ref.Tag)
			}
			return changed
		})
		if err != nil {
			b.t.Fatalf("answer: %v", err)
		}
	}
}

func (b *bench) refs(repository string) []plimsoll.Ref {
	b.t.Helper()
	refs, err := b.store.Refs(b.t.Context(), b.id, repository)
	if err != nil {
		b.t.Fatal(err)
	}
	return refs
}

// changes are the kinds of change of the registry's stream after a position, with their tags.
func (b *bench) changes(after int64) (all []string) {
	b.t.Helper()
	for batch, err := range b.store.Changes(b.t.Context(), b.id, after) {
		if err != nil {
			b.t.Fatal(err)
		}
		for _, c := range batch.Changes {
			if c.Kind == plimsoll.ChangeSweep {
				all = append(all, "sweep "+c.Text)
				continue
			}
			all = append(all, fmt.Sprintf("%s %s:%s", c.Kind, c.Repository, c.Tag))
		}
	}
	return all
}

func (b *bench) position() int64 {
	b.t.Helper()
	n, err := b.store.Position(b.t.Context(), b.id)
	if err != nil {
		b.t.Fatal(err)
	}
	return n
}

// objects are all keys of the registry under refs/ with the time they were written.
func (b *bench) objects() map[string]time.Time {
	b.t.Helper()
	all := map[string]time.Time{}
	for e, err := range b.store.List(b.t.Context(), blob.PrefixRefs+b.id+"/", "") {
		if err != nil {
			b.t.Fatal(err)
		}
		all[e.Key] = e.Modified
	}
	return all
}

func TestSweepTwice(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	for r := range 3 {
		for v := range 5 {
			b.push(fmt.Sprint("team/app", r), fmt.Sprint("v", v), fmt.Sprint(r, v))
		}
	}
	first := b.sweep()
	if first.State != plimsoll.SweepGreen || first.Counts.Listed != 15 || first.Counts.Enqueued != 15 || first.Counts.Requests != 3 || first.Counts.Complete != 15 || first.Repositories != 3 {
		t.Errorf("first sweep: %+v, want green with 15 tags in 3 requests", first)
	}
	if got, err := blob.ReadJSON[plimsoll.Sweep](t.Context(), b.store, blob.SweepKey(b.id, first.Slot)); err != nil || got.State != plimsoll.SweepGreen {
		t.Errorf("sweep object: %+v, %v, want green", got, err)
	}

	b.registry.ResetStats()
	before, position := b.objects(), b.position()
	second := b.sweep()
	if second.State != plimsoll.SweepGreen || second.Counts.Unchanged != 15 || second.Counts.Enqueued != 0 || second.Counts.Requests != 0 {
		t.Errorf("second sweep: %+v, want green with nothing enqueued", second)
	}
	stats := b.registry.Stats().Requests
	if stats["HEAD manifest"] != 15 || stats["GET manifest"]+stats["GET blob"]+stats["HEAD blob"] != 0 {
		t.Errorf("second sweep asked the registry %v, want one HEAD a tag and listings only", stats)
	}
	if diff := cmp.Diff(before, b.objects()); diff != "" {
		t.Errorf("second sweep wrote refs (-before +after):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"sweep green"}, b.changes(position)); diff != "" {
		t.Errorf("changes of the second sweep (-want +got):\n%s", diff)
	}
}

func TestTagMovesAndGoes(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	old := b.push("team/app", "latest", "a")
	b.push("team/app", "v1", "b")
	b.sweep()

	moved := b.push("team/app", "latest", "c")
	if err := imagetest.Delete(t.Context(), b.registry.Host(), "team/app", "v1"); err != nil {
		t.Fatal(err)
	}
	position := b.position()
	second := b.sweep()
	if second.Counts.Enqueued != 1 || second.Counts.Gone != 0 {
		t.Errorf("second sweep: %+v, want one tag enqueued and none gone yet", second.Counts)
	}
	if diff := cmp.Diff([]string{"tag team/app:latest", "sweep green"}, b.changes(position)); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
	refs := b.refs("team/app")
	if len(refs) != 2 || refs[0].Digest != moved || refs[0].LastGood != old || refs[1].Missing != 1 {
		t.Errorf("refs %+v: want latest moved with its last good digest, v1 missing once", refs)
	}

	position = b.position()
	third := b.sweep()
	if third.Counts.Gone != 1 || third.Counts.Complete != 1 {
		t.Errorf("third sweep: %+v, want v1 gone", third.Counts)
	}
	if diff := cmp.Diff([]string{"gone team/app:v1", "sweep green"}, b.changes(position)); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
}

// One catalog without a repository says nothing; the second does (fault F19).
func TestRepositoryGoes(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.push("team/app", "v1", "a")
	b.push("team/old", "v1", "b")
	b.sweep()
	hide := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch r.URL.Path {
			case "/v2/_catalog":
				fmt.Fprint(w, `{"repositories":["team/app"]}`)
			case "/v2/team/old/tags/list":
				w.WriteHeader(http.StatusNotFound)
			default:
				next.ServeHTTP(w, r)
			}
		})
	}
	b.registry.Intercept(hide)
	if s := b.sweep(); s.Counts.Gone != 0 || s.Counts.Complete != 2 {
		t.Errorf("first catalog without it: %+v, want nothing gone", s.Counts)
	}
	b.registry.Intercept(nil)
	if s := b.sweep(); s.Counts.Complete != 2 {
		t.Errorf("it is back: %+v", s.Counts)
	}
	b.registry.Intercept(hide)
	b.sweep()
	position := b.position()
	if s := b.sweep(); s.Counts.Gone != 1 || s.Counts.Complete != 1 {
		t.Errorf("second catalog in a row without it: %+v, want it gone", s.Counts)
	}
	if diff := cmp.Diff([]string{"gone team/old:v1", "sweep green"}, b.changes(position)); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
}

// A repository that catalogs lack and that still lists its tags is not gone, however often; that is told (seen with distribution
// 3.0.0). Nor is it while its tags cannot be listed.
func TestACatalogThatLeavesARepositoryOut(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.push("team/app", "v1", "a")
	b.push("team/old", "v1", "b")
	b.sweep()
	for status, want := range map[int]string{
		http.StatusOK:                 "the catalog leaves the repository out, although it has tags",
		http.StatusServiceUnavailable: "the catalog leaves the repository out, and its tags cannot be listed: registry unavailable",
	} {
		b.registry.Intercept(func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				switch {
				case r.URL.Path == "/v2/_catalog":
					fmt.Fprint(w, `{"repositories":["team/app"]}`)
				case r.URL.Path == "/v2/team/old/tags/list" && status != http.StatusOK:
					w.WriteHeader(status)
				default:
					next.ServeHTTP(w, r)
				}
			})
		})
		for range 2 {
			s := b.sweep()
			if s.Counts.Gone != 0 || s.Counts.Complete != 2 || s.State != plimsoll.SweepRed {
				t.Errorf("HTTP %d: %s, %+v, want it red with both images", status, s.State, s.Counts)
			}
			if len(s.Causes) != 1 || s.Causes[0].Reason != want || s.Causes[0].Example != "team/old" {
				t.Errorf("HTTP %d: causes %+v, want %q of team/old", status, s.Causes, want)
			}
		}
	}
}

// A repository that refuses us is a cause and an incomplete listing; the others go on (fault F19).
func TestForbiddenRepository(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.push("team/app", "v1", "a")
	b.push("team/secret", "v1", "b")
	b.sweep()
	b.push("team/app", "v2", "c")
	b.registry.Intercept(imagetest.Answer(1<<30, http.StatusForbidden, nil, func(r *http.Request) bool {
		return strings.HasPrefix(r.URL.Path, "/v2/team/secret/")
	}))
	first := b.sweep()
	if first.State != plimsoll.SweepRed || !first.Listed.IsZero() || !strings.Contains(first.Error, "1 repository could not be listed") {
		t.Errorf("sweep %+v: want red and an incomplete listing", first)
	}
	if first.Counts.Enqueued != 1 || first.Counts.Complete != 3 {
		t.Errorf("counts %+v: want v2 read all the same, and nothing lost", first.Counts)
	}
	want := []plimsoll.Cause{{
		Reason: "the repository cannot be listed: access denied", State: plimsoll.ReadFailed, Images: 1, Example: "team/secret", Since: first.Started,
	}}
	if diff := cmp.Diff(want, first.Causes); diff != "" {
		t.Errorf("causes (-want +got):\n%s", diff)
	}
	second := b.sweep()
	if len(second.Causes) != 1 || !second.Causes[0].Since.Equal(first.Started) {
		t.Errorf("causes %+v: want the same one since %v", second.Causes, first.Started)
	}
	b.registry.Intercept(nil)
	if s := b.sweep(); s.State != plimsoll.SweepGreen || s.Counts.Gone != 0 {
		t.Errorf("after it lets us in again: %+v, want green", s)
	}
}

func TestTagFailsAndComesBack(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.push("team/app", "good", "a")
	b.push("team/app", "bad", "b")
	b.sweep()
	b.registry.Intercept(imagetest.Answer(1<<30, http.StatusForbidden, nil, func(r *http.Request) bool {
		return strings.HasSuffix(r.URL.Path, "/manifests/bad")
	}))
	position := b.position()
	s := b.sweep()
	if s.State != plimsoll.SweepRed || s.Counts.Failed != 1 || s.Counts.Complete != 1 || s.Error != "" {
		t.Errorf("sweep %+v: want red with one failed tag and a complete listing", s)
	}
	if diff := cmp.Diff([]string{"coverage team/app:bad", "sweep red"}, b.changes(position)); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
	b.registry.Intercept(nil)
	if s := b.sweep(); s.State != plimsoll.SweepGreen || s.Counts.Enqueued != 0 {
		t.Errorf("after it answers again: %+v, want green without a scan", s)
	}
}

// A tag that vanishes between its listing and its HEAD is no error.
func TestTagVanishes(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.push("team/app", "v1", "a")
	b.registry.Intercept(imagetest.Answer(1<<30, http.StatusNotFound, nil, func(r *http.Request) bool {
		return strings.HasSuffix(r.URL.Path, "/manifests/v1")
	}))
	if s := b.sweep(); s.State != plimsoll.SweepGreen || s.Counts.Listed != 0 || len(b.refs("team/app")) != 0 {
		t.Errorf("sweep %+v: want green and empty", s)
	}
}

// A registry that is down fails its sweep with one line and deletes nothing.
func TestRegistryDown(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.push("team/app", "v1", "a")
	b.sweep()
	b.registry.Close()
	for range 2 {
		s := b.sweep()
		if s.State != plimsoll.SweepFailed || s.Error == "" || strings.Contains(s.Error, "\n") || s.Counts.Complete != 1 || s.Counts.Gone != 0 {
			t.Errorf("sweep %+v: want failed with one line, and the tag kept", s)
		}
	}
	if refs := b.refs("team/app"); len(refs) != 1 || refs[0].Read.State != plimsoll.ReadComplete || refs[0].Missing != 0 {
		t.Errorf("refs %+v: want them untouched", refs)
	}
}

// A registry that goes down in the middle stops the page; its tags are not failures of theirs.
func TestRegistryGoesDown(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	for i := range 2 * maxUnanswered {
		b.push("team/app", fmt.Sprint("v", i), "a")
	}
	b.sweep()
	client := failing{Lister: b.sweeper.Registries[b.id].Client}
	_, err := b.over(client).Page(t.Context(), workflows.PageInput{Registry: b.id, Slot: "20261125T010000Z", Recipe: recipe}, "", func(string) {})
	if !errors.Is(err, plimsoll.ErrUnavailable) {
		t.Errorf("Page = %v, want ErrUnavailable", err)
	}
	for _, ref := range b.refs("team/app") {
		if ref.Read.State != plimsoll.ReadComplete {
			t.Errorf("tag %s is %v, want it untouched", ref.Tag, ref.Read)
		}
	}
}

// failing is a registry that lists and does not answer HEADs.
type failing struct{ Lister }

func (failing) Head(context.Context, string, string) (registry.Descriptor, error) {
	return registry.Descriptor{}, plimsoll.ErrUnavailable
}

func TestPatternsAndGivenRepositories(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(r *plimsoll.Registry) {
		r.Repositories = []string{"team/b", "team/a", "team/none"}
	})
	b.push("team/a", "v1", "a")
	b.push("team/b", "v1", "b")
	b.push("team/c", "v1", "c")
	s := b.sweep()
	if s.Counts.Listed != 2 || s.State != plimsoll.SweepRed || len(s.Causes) != 1 || s.Causes[0].Example != "team/none" {
		t.Errorf("sweep %+v: want a and b listed, and a cause for the one that does not exist", s)
	}
	if got := b.registry.Stats().Requests["GET catalog"]; got != 0 {
		t.Errorf("catalog asked %d times, want never with given repositories", got)
	}
}

func TestSweepHoldsAtTheWindow(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	for i := range 5 {
		b.push(fmt.Sprint("team/app", i), "v1", fmt.Sprint(i))
	}
	b.sweeper.Window = 2
	slot := time.Now().UTC().Format(slotLayout)
	done := make(chan error, 1)
	go func() {
		_, err := b.sweeper.Page(t.Context(), workflows.PageInput{Registry: b.id, Slot: slot, Recipe: recipe}, "", func(string) {})
		done <- err
	}()
	total := 0
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		left, err := b.queue.Left(t.Context(), scanv1.SweepSubject(b.id, slot))
		if err != nil {
			t.Fatal(err)
		}
		if left > 2 {
			t.Fatalf("%d requests stand in the queue, want at most 2", left)
		}
		if left == 2 || total == 4 {
			total += len(b.requests())
		}
		if total == 5 {
			break
		}
		select {
		case <-tick.C:
		case err := <-done:
			if err != nil {
				t.Fatalf("Page: %v", err)
			}
			total += len(b.requests())
		}
	}
}

func TestStoppingGivesThePageBack(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.push("team/app", "v1", "a")
	b.sweeper.Window = 0 // holds for ever
	done := make(chan error, 1)
	go func() {
		_, err := b.sweeper.Page(t.Context(), workflows.PageInput{Registry: b.id, Slot: "20261125T010000Z", Recipe: recipe}, "", func(string) {})
		done <- err
	}()
	close(b.stopping)
	if err := <-done; !errors.Is(err, plimsoll.ErrUnavailable) {
		t.Errorf("Page = %v, want an error that is tried again", err)
	}
}

// A page goes on where its last heartbeat says, and does not ask again for what was done.
func TestPageResumes(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	for i := range repositoriesAtOnce + 5 {
		b.push(fmt.Sprintf("team/app%03d", i), "v1", fmt.Sprint(i))
	}
	m := new(mark)
	m.advance(fmt.Sprintf("team/app%03d", repositoriesAtOnce-1), repositoriesAtOnce, plimsoll.SweepCount{Listed: repositoriesAtOnce, Enqueued: repositoriesAtOnce})
	got, err := b.sweeper.Page(t.Context(), workflows.PageInput{Registry: b.id, Slot: "20261125T010000Z", Recipe: recipe}, m.word(), func(string) {})
	if err != nil {
		t.Fatalf("Page: %v", err)
	}
	if got.Counts.Listed != repositoriesAtOnce+5 || got.Repositories != repositoriesAtOnce+5 || got.Counts.Requests != 5 {
		t.Errorf("resumed page %+v: want all counted and 5 requests made", got)
	}
	var last mark
	if err := json.Unmarshal([]byte(m.word()), &last); err != nil || last.Repositories != repositoriesAtOnce {
		t.Errorf("word %q: %v", m.word(), err)
	}
}

// The queue's store is wiped while a sweep waits: what was lost is asked for again (fault F5).
func TestDrainAfterAWipe(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.push("team/app", "v1", "a")
	slot := time.Now().UTC().Format(slotLayout)
	in := workflows.PageInput{Registry: b.id, Slot: slot, Recipe: recipe}
	if _, err := b.sweeper.Page(t.Context(), in, "", func(string) {}); err != nil {
		t.Fatal(err)
	}
	b.server.Stop()
	b.server.Wipe()
	b.server.Restart()
	done := make(chan error, 1)
	go func() { done <- b.sweeper.Drain(t.Context(), b.id, slot, func(string) {}) }()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case err := <-done:
			if err != nil {
				t.Fatalf("Drain: %v", err)
			}
			if refs := b.refs("team/app"); len(refs) != 1 || refs[0].Recipe != recipe {
				t.Errorf("refs %+v: want the lost request asked again and answered", refs)
			}
			return
		case <-tick.C:
			if n, err := b.queue.Left(t.Context(), scanv1.SweepSubject(b.id, slot)); err == nil && n > 0 {
				b.answer()
			}
		}
	}
}

func TestBegin(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	if got, err := b.sweeper.Begin(t.Context(), b.id); err != nil || got != recipe {
		t.Errorf("Begin = %q, %v, want the worker's recipe", got, err)
	}
	if _, err := b.sweeper.Begin(t.Context(), "other"); !errors.Is(err, plimsoll.ErrNotFound) {
		t.Errorf("Begin of an unknown registry = %v, want ErrNotFound", err)
	}
}

// A cancelled sweep stands in the change log, though nobody finishes it.
func TestRecordCancelled(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	s := plimsoll.Sweep{Registry: b.id, Slot: "20261125T010000Z", State: plimsoll.SweepRunning}
	for _, state := range []plimsoll.SweepState{plimsoll.SweepRunning, plimsoll.SweepCancelled} {
		s.State = state
		if err := b.sweeper.Record(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]string{"sweep cancelled"}, b.changes(0)); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
}

// many is a registry of n repositories with m tags each that costs nothing to ask.
type many struct{ repositories, tags int }

func (r many) Repositories(_ context.Context, after string, n int) (discover.Page, error) {
	var all []string
	for i := range r.repositories {
		all = append(all, fmt.Sprintf("bench/r%05d", i))
	}
	from, found := slices.BinarySearch(all, after)
	if found {
		from++
	}
	page := all[from:min(from+n, len(all))]
	next := ""
	if from+len(page) < len(all) {
		next = page[len(page)-1]
	}
	return discover.Page{Repositories: page, Next: next}, nil
}

func (many) Credentials(context.Context, time.Time) []plimsoll.Credential { return nil }

func (r many) Tags(context.Context, string, string) (tags []discover.Tag, next string, err error) {
	for i := range r.tags {
		tags = append(tags, discover.Tag{Name: fmt.Sprintf("v%05d", i)})
	}
	return tags, "", nil
}

func (r many) Head(_ context.Context, repository, tag string) (registry.Descriptor, error) {
	return registry.Descriptor{Digest: plimsoll.DigestOf([]byte(repository + tag))}, nil
}

func (many) Manifest(context.Context, string, string) (registry.Descriptor, []byte, error) {
	return registry.Descriptor{}, nil, plimsoll.ErrNotFound
}

func (many) Throttled() int64      { return 0 }
func (many) Waited() time.Duration { return 0 }

// TestManyTags has both shapes of a large registry, over several pages and over several shards of refs. It logs our own
// cost: the registry answers at once and no image is read.
func TestManyTags(t *testing.T) {
	t.Parallel()
	for _, size := range []many{{2*repositoriesAPage + 50, 4}, {1, 1200}} {
		t.Run(fmt.Sprint(size.repositories), func(t *testing.T) {
			b := newBench(t, nil)
			b.sweeper = b.over(size)
			started := time.Now()
			first := b.sweep() // with what scans write to refs
			t.Logf("first sweep of %d x %d: %v", size.repositories, size.tags, time.Since(started))
			started = time.Now()
			before := b.objects()
			second := b.sweep()
			t.Logf("second: %v", time.Since(started))
			if n := size.repositories * size.tags; first.Counts.Complete != n || second.Counts.Unchanged != n || second.Counts.Requests != 0 {
				t.Errorf("first %+v, second %+v", first.Counts, second.Counts)
			}
			if diff := cmp.Diff(before, b.objects()); diff != "" {
				t.Errorf("second sweep wrote refs (-before +after):\n%s", diff)
			}
		})
	}
}

// A tag that is new or moved is missed when no event has announced it: none waits in the queue, and none has been served. A first
// sweep misses nothing, and a registry without hooks never does.
func TestMissedPushes(t *testing.T) {
	t.Parallel()
	for _, hooked := range []bool{true, false} {
		b := newBench(t, func(r *plimsoll.Registry) {
			if hooked {
				r.Hook.Dialect = plimsoll.HookHarbor
			}
		})
		told := 0
		b.sweeper.Pushed, b.sweeper.Missed = b.queue.Pushed, func(id string, n int) {
			if id != b.id {
				t.Errorf("missed pushes of %s, want of %s", id, b.id)
			}
			told += n
		}
		b.push("team/app", "1", "one")
		b.push("team/app", "2", "two")
		if got := b.sweep(); got.Counts.Missed != 0 || got.State != plimsoll.SweepGreen {
			t.Errorf("first sweep: %s, %d missed, want green and none", got.State, got.Counts.Missed)
		}
		b.push("team/app", "1", "moved, and nobody said so")
		b.push("other/app", "1", "new, and nobody said so")
		b.push("team/app", "2", "moved, and the event waits")
		b.push("team/app", "3", "new, and the event waits")
		for _, tag := range []string{"2", "3"} {
			_, err := b.queue.Publish(t.Context(), &scanv1.ScanRequest{
				Lane: scanv1.Lane_LANE_PUSH, Registry: b.id, Repository: "team/app", Epoch: "e" + tag, Targets: []*scanv1.Target{{Tag: tag}},
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		want := 0
		if hooked {
			want = 2
		}
		if got := b.sweep(); got.Counts.Missed != want || told != want || got.Counts.Enqueued != 4 {
			t.Errorf("hooks %v: %d missed, %d told of, %d enqueued, want %d, %d and 4", hooked, got.Counts.Missed, told, got.Counts.Enqueued, want, want)
		}
		if got := b.sweep(); got.Counts.Missed != 0 {
			t.Errorf("hooks %v: %d missed in a sweep of what is known", hooked, got.Counts.Missed)
		}
	}
}

// TestPushIsReadMeanwhile: a push is read between the page's look at the refs and its word on the tag: the tag does not wait again.
func TestPushIsReadMeanwhile(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	read := plimsoll.Ref{Tag: "1", Digest: plimsoll.DigestOf([]byte("pushed")), Recipe: recipe, Read: plimsoll.Complete(), Observed: 5}
	_, err := b.store.MergeRefs(t.Context(), b.id, "team/app", func(tags map[string]plimsoll.Ref) []string {
		tags["1"] = read
		return []string{"1"}
	})
	if err != nil {
		t.Fatal(err)
	}
	waits := plimsoll.Ref{Tag: "1", Digest: read.Digest, Read: plimsoll.Coverage{State: plimsoll.ReadWaiting}, Observed: 7}
	if err := b.sweeper.merge(t.Context(), b.id, difference{repository: "team/app", write: map[string]plimsoll.Ref{"1": waits}}); err != nil {
		t.Fatal(err)
	}
	read.Observed = 7
	if diff := cmp.Diff([]plimsoll.Ref{read}, b.refs("team/app")); diff != "" {
		t.Errorf("refs (-want +got):\n%s", diff)
	}
}
