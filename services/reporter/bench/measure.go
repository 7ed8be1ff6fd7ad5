package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/blob"
	"github.com/plimsoll/plimsoll/services/internal/blob/blobtest"
	"github.com/plimsoll/plimsoll/services/reporter/internal/find"
	"github.com/plimsoll/plimsoll/services/reporter/internal/history"
	"github.com/plimsoll/plimsoll/services/reporter/internal/list"
	"github.com/plimsoll/plimsoll/services/reporter/internal/policy"
	"github.com/plimsoll/plimsoll/services/reporter/internal/posture"
)

// result is what was measured at one size; times in milliseconds, memory in MiB.
type result struct {
	Images   int
	Places   int // findings of all images
	Followed int // findings of all repositories, over time
	Fold     float64
	Observe  float64 // all findings are new to their repositories
	Rematch  float64
	Advisory []float64 // one a round, sorted
	Noted    []float64 // … until the history has it
	Push     []float64
	Save     float64
	Stored   float64 // size of the snapshot, MiB
	// The same of the history of findings.
	SaveHistory, StoredHistory float64
	Start                      float64
	Recall                     float64 // read the history of findings, and compare it with the view
	Live                       float64 // heap in use after a collection
	Resident                   float64 // of the process at rest
	Peak                       float64 // of the process, over everything
	Pages                      map[string][]float64
	Search                     []float64
	Find                       []float64
	// The day as Parquet: time, size, and by how much the heap grows meanwhile.
	Export, Exported, ExportHeap float64
}

const (
	rounds     = 20
	pageRounds = 4
)

// measure measures one size in this process.
func measure(ctx context.Context, n int, seed uint64) (r result, err error) {
	dir, err := os.MkdirTemp("", "plimsoll-bench-")
	if err != nil {
		return r, err
	}
	defer os.RemoveAll(dir)
	c, stop, err := blobtest.Start(dir)
	if err != nil {
		return r, err
	}
	defer stop()
	store, err := blob.Open(ctx, c)
	if err != nil {
		return r, err
	}
	defer store.Close()
	f := newFacts(n, seed)
	if err := f.write(ctx, store); err != nil {
		return r, fmt.Errorf("write tags: %w", err)
	}
	b := &bench{f: f, store: store}
	r.Images = n
	steps := []struct {
		name string
		do   func(context.Context, *result) error
	}{
		{"fold", b.fold}, {"history", b.observe}, {"advisories", b.opinions}, {"pushes", b.push}, {"memory", b.memory}, {"snapshot", b.snapshot}, {"lists", b.pages}, {"export", b.export},
	}
	for _, step := range steps {
		took, err := timed(func() error { return step.do(ctx, &r) })
		if err != nil {
			return r, fmt.Errorf("%s: %w", step.name, err)
		}
		fmt.Fprintf(os.Stderr, "bench-reporter: %s: %.1f s\n", step.name, took/1000)
		if verbose {
			fmt.Fprintf(os.Stderr, "  until now: %+v\n", r)
		}
		if step.name == "fold" && profile != "" {
			file, err := os.Create(profile)
			if err != nil {
				return r, err
			}
			defer file.Close()
			if err := pprof.StartCPUProfile(file); err != nil {
				return r, err
			}
			defer pprof.StopCPUProfile()
		}
	}
	r.Peak = status("VmHWM")
	return r, nil
}

type bench struct {
	f        *facts
	store    *blob.Store
	engine   *posture.Engine
	findings *history.Tracker
}

// open makes an engine that knows nothing yet, and a history beside it.
func (b *bench) open() {
	b.findings = history.NewTracker()
	b.engine = posture.New(posture.Config{
		Store: b.store, Registries: []plimsoll.Registry{{ID: registry, Sweep: plimsoll.Schedule{Cron: "off"}}}, Policy: policy.Baseline(),
		Inventory: b.f.Inventory, Clock: b.findings, Now: func() time.Time { return b.f.now },
	})
}

// timed is how long something takes, in milliseconds: by the clock, or of processor time where that is asked for, because the
// machine has other work. Processor time counts what several processors do at once as often, and leaves out waiting.
func timed(do func() error) (float64, error) {
	began := now()
	err := do()
	return float64((now() - began).Microseconds()) / 1000, err
}

var start = time.Now()

func now() time.Duration {
	if !processor {
		return time.Since(start)
	}
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return time.Since(start)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func (b *bench) fold(ctx context.Context, r *result) (err error) {
	b.open()
	b.engine.SetGeneration(b.f.generation("first", b.f.now.AddDate(0, 0, -seen), b.f.records()))
	if r.Fold, err = timed(func() error { return b.engine.Fold(ctx) }); err != nil {
		return err
	}
	s := b.engine.View().Summary()
	for _, c := range s.StoredSeverity {
		r.Places += c.Places
	}
	if s.Stored.Total() != b.f.n {
		return fmt.Errorf("%d images have a verdict, want %d", s.Stored.Total(), b.f.n)
	}
	return nil
}

// observe measures the history's first look: every finding opens.
func (b *bench) observe(_ context.Context, r *result) (err error) {
	r.Observe, err = timed(func() error { b.findings.Observe(b.engine.View()); return nil })
	for range b.findings.All() {
		r.Followed++
	}
	return err
}

// opinions measures a full re-match, then an advisory that comes and goes.
func (b *bench) opinions(_ context.Context, r *result) (err error) {
	records := b.f.records()
	with, without := b.f.generation("with", b.f.now, append(slices.Clone(records), b.f.news())), b.f.generation("without", b.f.now, records)
	b.engine.SetGeneration(b.f.generation("", b.f.now, nil)) // nothing is known: what follows matches everything again
	r.Rematch, err = timed(func() error { b.engine.SetGeneration(without); return nil })
	b.findings.Observe(b.engine.View())
	for range rounds {
		runtime.GC()
		before := b.engine.View().Summary().Stored.Fail
		ms, _ := timed(func() error { b.engine.SetGeneration(with); return nil })
		r.Advisory = append(r.Advisory, ms)
		ms, _ = timed(func() error { b.findings.Observe(b.engine.View()); return nil })
		r.Noted = append(r.Noted, ms)
		if a, ok := b.engine.View().Advisory("CVE-2026-999999"); !ok || len(a.Places) != hit {
			return fmt.Errorf("the new advisory is in %d places, want %d (%d images failed before)", len(a.Places), hit, before)
		}
		b.engine.SetGeneration(without)
		b.findings.Observe(b.engine.View())
	}
	slices.Sort(r.Advisory)
	slices.Sort(r.Noted)
	return err
}

// push measures from a push in the change log to the posture that shows it.
func (b *bench) push(ctx context.Context, r *result) error {
	for i := range rounds {
		ref := b.f.ref(i)
		ref.Observed, ref.Moved = int64(b.f.n+i+1), b.f.now
		_, err := b.store.Append(ctx, registry, "push", b.f.now, []plimsoll.Change{{Kind: plimsoll.ChangeInventory, Repository: repository(i), Tag: ref.Tag, Ref: &ref}})
		if err != nil {
			return err
		}
		ms, err := timed(func() error { _, err := b.engine.Advance(ctx); return err })
		if err != nil {
			return err
		}
		r.Push = append(r.Push, ms)
	}
	slices.Sort(r.Push)
	return nil
}

func (b *bench) memory(_ context.Context, r *result) error {
	runtime.GC()
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	r.Live, r.Resident = float64(m.HeapAlloc)/(1<<20), status("VmRSS")
	return nil
}

// status is a line of /proc/self/status, in MiB; 0 where there is none.
func status(name string) float64 {
	file, err := os.Open("/proc/self/status")
	if err != nil {
		return 0
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		if fields := strings.Fields(lines.Text()); len(fields) > 1 && fields[0] == name+":" {
			kb, _ := strconv.ParseFloat(fields[1], 64)
			return kb / 1024
		}
	}
	return 0
}

// queries are what people ask of lists.
var queries = []string{
	"", "scope=stored", "verdict=fail", "verdict=pass&scope=stored", "severity=critical", "severity=high&fixable=yes", "package=needle",
	"advisory=CVE-2026-49", "ecosystem=npm&severity=medium", "q=app-17", "repository=team-1/app-41", "sort=name", "sort=pushed&scope=stored",
	"sort=critical", "sort=fixable&severity=low", "moved=7d", "known=current", "layer=3&severity=critical",
}

// pages measures the first page of each list under each query, and a page far inside.
func (b *bench) pages(_ context.Context, r *result) error {
	v := b.engine.View()
	r.Pages = map[string][]float64{}
	lists := []struct {
		name string
		page func(f list.Filter) error
	}{
		{"images", func(f list.Filter) error { return twoPages(list.Images(v, f)) }},
		{"repositories", func(f list.Filter) error { return twoPages(list.Repositories(v, f)) }},
		{"findings", func(f list.Filter) error { return twoPages(list.Places(v, f)) }},
		{"findings by package", func(f list.Filter) error { return twoPages(list.Uniques(v, f)) }},
		{"advisories", func(f list.Filter) error { return twoPages(list.Advisories(v, f)) }},
	}
	for _, l := range lists {
		for range pageRounds {
			for _, q := range queries {
				values, err := url.ParseQuery(q)
				if err != nil {
					return err
				}
				f, err := list.Parse(values, b.f.now)
				if err != nil {
					return err
				}
				ms, err := timed(func() error { return l.page(f) })
				if err != nil {
					return fmt.Errorf("%s?%s: %w", l.name, q, err)
				}
				r.Pages[l.name] = append(r.Pages[l.name], ms)
				if verbose {
					fmt.Fprintf(os.Stderr, "  %s?%s: %.1f ms\n", l.name, q, ms)
				}
			}
		}
		slices.Sort(r.Pages[l.name])
	}
	for range 4 {
		for _, text := range []string{"app-17", "needle", "CVE-2026-49", "package-21", "sha256:ab", "nothing has this"} {
			ms, err := timed(func() error { _, err := list.Search(v, text, ""); return err })
			if err != nil {
				return err
			}
			if verbose {
				fmt.Fprintf(os.Stderr, "  search %q: %.1f ms\n", text, ms)
			}
			r.Search = append(r.Search, ms)
		}
	}
	slices.Sort(r.Search)
	return b.find(v, r)
}

// find measures the search for a package in a range of versions: one that few images hold, one that many do, one that none does.
func (b *bench) find(v *posture.View, r *result) error {
	for range 4 {
		for _, of := range [][2]string{{"needle", "<3"}, {"package-21", ">=1,<2 || >=3"}, {"package-1", "*"}, {"nothing", "<1"}} {
			q, err := find.Ask(of[0], of[1], "")
			if err != nil {
				return err
			}
			ms, err := timed(func() error { return twoPages(find.Search(v, q)) })
			if err != nil {
				return err
			}
			r.Find = append(r.Find, ms)
		}
	}
	slices.Sort(r.Find)
	return nil
}

// twoPages takes a list's first page; the second is another request and measured by the query's next round.
func twoPages[T any](l list.List[T]) error {
	_, err := l.Page("", list.PageSize)
	return err
}

// snapshot measures writing one, and starting from it.
func (b *bench) snapshot(ctx context.Context, r *result) (err error) {
	if r.Save, err = timed(func() error { return b.engine.Save(ctx) }); err != nil {
		return err
	}
	if r.SaveHistory, err = timed(func() error { return b.findings.Save(ctx, b.store) }); err != nil {
		return err
	}
	if r.Stored, err = b.size(ctx, "snapshots/"); err != nil {
		return err
	}
	if r.StoredHistory, err = b.size(ctx, blob.PrefixHistory); err != nil {
		return err
	}
	want := b.engine.View().Summary()
	b.open()
	runtime.GC()
	r.Start, err = timed(func() error {
		b.engine.SetGeneration(b.f.generation("without", b.f.now, b.f.records()))
		return b.engine.Start(ctx)
	})
	if err != nil {
		return err
	}
	if r.Recall, err = timed(func() error { return b.recall(ctx) }); err != nil {
		return err
	}
	if got := b.engine.View().Summary(); got.Stored != want.Stored || got.Active != want.Active {
		return fmt.Errorf("after a start from the snapshot: %+v, want %+v", got.Stored, want.Stored)
	}
	return nil
}

// recall brings the history to the engine's view, as a start does.
func (b *bench) recall(ctx context.Context) error {
	if ok, err := b.findings.Load(ctx, b.store); err != nil || !ok {
		return errors.Join(err, errors.New("the history of findings was not stored"))
	}
	v := b.engine.View()
	b.findings.Observe(v)
	for _, r := range v.Rows() {
		v.Overdue(r, b.f.now)
	}
	return nil
}

// size is how much the bucket holds below a prefix, in MiB.
func (b *bench) size(ctx context.Context, prefix string) (mib float64, err error) {
	for entry, err := range b.store.List(ctx, prefix, "") {
		if err != nil {
			return 0, err
		}
		mib += float64(entry.Size) / (1 << 20)
	}
	return mib, nil
}
