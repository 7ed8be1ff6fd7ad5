package workflows

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"github.com/plimsoll/plimsoll"
)

const testRecipe plimsoll.Recipe = "0123456789abcdef"

// sweepStart is the clock of the test environment; the slot follows from it.
var sweepStart = time.Date(2026, 11, 25, 1, 0, 0, 0, time.UTC)

// tour is a Sweeper over a registry of some pages of two tags, one of them unchanged.
type tour struct {
	pages  int
	begin  func() error
	page   func(cursor string, try int) error
	drain  func() error
	record func() error
	finish func() error
	// abandon is what taking back does.
	abandon func() error

	mu       sync.Mutex
	calls    []string
	tries    map[string]int
	resumed  []string
	recorded []plimsoll.Sweep
}

func (s *tour) note(call string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tries == nil {
		s.tries = map[string]int{}
	}
	s.calls = append(s.calls, call)
	s.tries[call]++
	return s.tries[call]
}

func or(f func() error) error {
	if f == nil {
		return nil
	}
	return f()
}

func (s *tour) Begin(context.Context, string) (plimsoll.Recipe, error) {
	s.note("begin")
	return testRecipe, or(s.begin)
}

func (s *tour) Page(_ context.Context, in PageInput, resume string, beat func(string)) (PageResult, error) {
	try := s.note("page " + in.Cursor)
	s.mu.Lock()
	s.resumed = append(s.resumed, resume)
	s.mu.Unlock()
	beat("repository after " + in.Cursor)
	if s.page != nil {
		if err := s.page(in.Cursor, try); err != nil {
			return PageResult{}, err
		}
	}
	n := 1
	if in.Cursor != "" {
		fmt.Sscanf(in.Cursor, "p%d", &n)
		n++
	}
	return PageResult{
		Cursor: fmt.Sprintf("p%03d", n), Done: n == s.pages, Repositories: 1,
		Counts: plimsoll.SweepCount{Listed: 2, Unchanged: 1, Enqueued: 1, Requests: 1, Throttled: 1},
	}, nil
}

func (s *tour) Drain(context.Context, string, string, func(string)) error {
	s.note("drain")
	return or(s.drain)
}

func (s *tour) Record(_ context.Context, sweep plimsoll.Sweep) error {
	s.mu.Lock()
	s.recorded = append(s.recorded, sweep)
	s.mu.Unlock()
	return or(s.record)
}

func (s *tour) Finish(_ context.Context, sweep plimsoll.Sweep, _ func(string)) (plimsoll.Sweep, error) {
	s.note("finish")
	if err := or(s.finish); err != nil {
		return sweep, err
	}
	sweep.State = plimsoll.SweepGreen
	if sweep.Error != "" {
		sweep.State = plimsoll.SweepFailed
	}
	return sweep, nil
}

func (s *tour) Abandon(_ context.Context, registry, slot string, _ func(string)) error {
	s.note("abandon " + registry + " " + slot)
	return or(s.abandon)
}

func (s *tour) Plan(_ context.Context, registry string, _ func(string)) (plimsoll.SweepPlan, error) {
	s.note("plan " + registry)
	return plimsoll.SweepPlan{Registry: registry, Tags: 7}, nil
}

func (s *tour) Retry(_ context.Context, in RetryInput, _ func(string)) (plimsoll.Retry, error) {
	s.note("retry " + in.Registry + " " + in.Cause + " " + in.Slot)
	return plimsoll.Retry{Tags: 3}, nil
}

func sweepEnv(s *tour) *testsuite.TestWorkflowEnvironment {
	env := newEnv()
	env.SetTestTimeout(time.Minute)
	env.SetStartTime(sweepStart)
	RegisterSweep(env, s)
	return env
}

func counts(pages int) plimsoll.SweepCount {
	return plimsoll.SweepCount{Listed: 2 * pages, Unchanged: pages, Enqueued: pages, Requests: pages, Throttled: pages}
}

func TestSweepRegistry(t *testing.T) {
	t.Parallel()
	unavailable := fmt.Errorf("registry r: %w", plimsoll.ErrUnavailable)
	fails := func(err error) func() error { return func() error { return err } }
	everyPage := func(err error) func(string, int) error { return func(string, int) error { return err } }
	want := plimsoll.Sweep{
		Registry: "r", Slot: "20261125T010000Z", State: plimsoll.SweepGreen, Recipe: testRecipe, Actor: "schedule", Started: sweepStart,
	}
	with := func(change func(*plimsoll.Sweep)) plimsoll.Sweep { s := want; change(&s); return s }
	three := with(func(s *plimsoll.Sweep) { s.Cursor, s.Counts, s.Repositories = "p003", counts(3), 3 })
	pages := []string{"page ", "page p001", "page p002"}

	tests := []struct {
		name  string
		tour  *tour
		input SweepInput
		calls []string
		want  plimsoll.Sweep
		err   error
		text  string
	}{{
		name: "pages, then drain and finish", tour: &tour{pages: 3}, want: three,
		calls: slices.Concat([]string{"begin"}, pages, []string{"drain", "finish"}),
	}, {
		name: "a continued run goes on after its cursor", tour: &tour{pages: 3},
		input: SweepInput{Slot: "20261125T000000Z", Started: sweepStart.Add(-time.Hour), Actor: "ops", Recipe: testRecipe, Cursor: "p002", Counts: counts(2), Repositories: 2},
		calls: []string{"page p002", "drain", "finish"},
		want: with(func(s *plimsoll.Sweep) {
			s.Slot, s.Started, s.Actor = "20261125T000000Z", sweepStart.Add(-time.Hour), "ops"
			s.Cursor, s.Counts, s.Repositories = "p003", counts(3), 3
		}),
	}, {
		name: "a page is retried", tour: &tour{pages: 1, page: func(_ string, try int) error {
			if try < 3 {
				return unavailable
			}
			return nil
		}},
		calls: []string{"begin", "page ", "page ", "page ", "drain", "finish"},
		want:  with(func(s *plimsoll.Sweep) { s.Cursor, s.Counts, s.Repositories = "p001", counts(1), 1 }),
	}, {
		name: "a listing that fails ends as failed, without drain", tour: &tour{pages: 3, page: func(cursor string, _ int) error {
			if cursor == "p001" {
				return unavailable
			}
			return nil
		}},
		calls: slices.Concat([]string{"begin", "page "}, slices.Repeat([]string{"page p001"}, int(boundPage.attempts)), []string{"finish"}),
		want: with(func(s *plimsoll.Sweep) {
			s.State, s.Error = plimsoll.SweepFailed, "registry r: unavailable"
			s.Cursor, s.Counts, s.Repositories = "p001", counts(1), 1
		}),
	}, {
		name: "a denied listing is not repeated", tour: &tour{pages: 1, page: everyPage(fmt.Errorf("registry r: %w", plimsoll.ErrDenied))},
		calls: []string{"begin", "page ", "finish"},
		want:  with(func(s *plimsoll.Sweep) { s.State, s.Error = plimsoll.SweepFailed, "registry r: access denied" }),
	}, {
		name: "an unknown registry has no sweep", tour: &tour{begin: fails(fmt.Errorf("registry r: %w", plimsoll.ErrNotFound))},
		calls: []string{"begin"}, err: plimsoll.ErrNotFound, text: "begin: registry r: not found",
	}, {
		name: "an unusable registry has a failed sweep", tour: &tour{begin: fails(fmt.Errorf("registry r: %w", plimsoll.ErrInvalid))},
		calls: []string{"begin", "finish"},
		want:  with(func(s *plimsoll.Sweep) { s.Recipe, s.State, s.Error = "", plimsoll.SweepFailed, "registry r: invalid" }),
	}, {
		name: "progress that cannot be recorded stops nothing", tour: &tour{pages: 3, record: fails(unavailable)}, want: three,
		calls: slices.Concat([]string{"begin"}, pages, []string{"drain", "finish"}),
	}, {
		name: "a queue that cannot be asked does not keep the sweep from ending", tour: &tour{pages: 3, drain: fails(plimsoll.ErrInvalid)}, want: three,
		calls: slices.Concat([]string{"begin"}, pages, []string{"drain", "finish"}),
	}, {
		name: "a sweep that cannot be settled is an error", tour: &tour{pages: 1, finish: fails(plimsoll.ErrLimit)},
		calls: []string{"begin", "page ", "drain", "finish"}, err: plimsoll.ErrLimit, text: "finish: limit reached",
	}}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			env := sweepEnv(test.tour)
			test.input.Registry = "r"
			env.ExecuteWorkflow(NameSweep, test.input)
			if diff := cmp.Diff(test.calls, test.tour.calls); diff != "" {
				t.Errorf("calls (-want +got):\n%s", diff)
			}
			checkFailure(t, env.GetWorkflowError(), test.err, test.text)
			if test.text != "" {
				return
			}
			var got plimsoll.Sweep
			if err := env.GetWorkflowResult(&got); err != nil {
				t.Fatal(err)
			}
			if listed := got.Error == ""; listed == got.Listed.IsZero() {
				t.Errorf("listed = %v with error %q", got.Listed, got.Error)
			}
			got.Listed = time.Time{}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("sweep (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSweepRecordsEachPage(t *testing.T) {
	t.Parallel()
	s := &tour{pages: 2}
	env := sweepEnv(s)
	env.ExecuteWorkflow(NameSweep, SweepInput{Registry: "r"})
	var got []string
	for _, r := range s.recorded {
		got = append(got, fmt.Sprintf("%s %q listed=%d complete=%t", r.State, r.Cursor, r.Counts.Listed, !r.Listed.IsZero()))
	}
	want := []string{`running "" listed=0 complete=false`, `running "p001" listed=2 complete=false`, `running "p002" listed=4 complete=true`}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("recorded (-want +got):\n%s", diff)
	}
}

func TestSweepResumesAPageFromItsLastHeartbeat(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		details any
		want    string
	}{
		"its own word":      {"team/app:v3", "team/app:v3"},
		"none":              {nil, ""},
		"another version's": {map[string]int{"page": 3}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &tour{pages: 1}
			env := quiet().NewTestActivityEnvironment()
			registerActivity(env, activityPage, sweepActivities{s}.page)
			if test.details != nil {
				env.SetHeartbeatDetails(test.details)
			}
			if _, err := env.ExecuteActivity(activityPage, PageInput{Registry: "r"}); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]string{test.want}, s.resumed); diff != "" {
				t.Errorf("resumed from (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSweepContinuesAsNewWithItsCounts(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		prepare func(*testsuite.TestWorkflowEnvironment)
		pages   int // listed before it continues
	}{
		{"after its pages", func(*testsuite.TestWorkflowEnvironment) {}, pagesPerRun},
		{"at a long history", func(env *testsuite.TestWorkflowEnvironment) { env.SetCurrentHistoryLength(maxEvents) }, 0},
		{"when the server asks", func(env *testsuite.TestWorkflowEnvironment) { env.SetContinueAsNewSuggested(true) }, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			env := sweepEnv(&tour{pages: pagesPerRun + 1})
			test.prepare(env)
			env.ExecuteWorkflow(NameSweep, SweepInput{Registry: "r", Actor: "ops"})
			var as *workflow.ContinueAsNewError
			if err := env.GetWorkflowError(); !errors.As(err, &as) {
				t.Fatalf("workflow error = %v, want continue as new", err)
			}
			var got SweepInput
			if err := converter.GetDefaultDataConverter().FromPayloads(as.Input, &got); err != nil {
				t.Fatal(err)
			}
			want := SweepInput{
				Registry: "r", Actor: "ops", Slot: "20261125T010000Z", Started: sweepStart, Recipe: testRecipe,
				Counts: counts(test.pages), Repositories: test.pages,
			}
			if test.pages > 0 {
				want.Cursor = fmt.Sprintf("p%03d", test.pages)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("carried on (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSweepCancelled(t *testing.T) {
	t.Parallel()
	for _, during := range []string{"page p001", "drain"} {
		t.Run(during, func(t *testing.T) {
			t.Parallel()
			s := &tour{pages: 3}
			env := sweepEnv(s)
			stop := func() error { env.CancelWorkflow(); return context.Canceled }
			if during == "drain" {
				s.drain = stop
			} else {
				s.page = func(cursor string, _ int) error {
					if "page "+cursor == during {
						return stop()
					}
					return nil
				}
			}
			env.ExecuteWorkflow(NameSweep, SweepInput{Registry: "r"})
			if err := env.GetWorkflowError(); !temporal.IsCanceledError(err) {
				t.Errorf("workflow error = %v, want cancelled", err)
			}
			back := "abandon r " + sweepStart.Format(slotLayout)
			if last := s.calls[len(s.calls)-2:]; last[0] != during || last[1] != back {
				t.Errorf("last calls = %q, want %q, %q: nothing else may follow", last, during, back)
			}
			last := s.recorded[len(s.recorded)-1]
			if last.State != plimsoll.SweepCancelled || last.Ended.IsZero() || last.Counts.Listed == 0 {
				t.Errorf("recorded last: state %q, ended %v, listed %d; want cancelled with its counts", last.State, last.Ended, last.Counts.Listed)
			}
		})
	}
}

func TestSweepAnswersProgress(t *testing.T) {
	t.Parallel()
	s := &tour{pages: 3}
	env := sweepEnv(s)
	var got plimsoll.Sweep
	s.page = func(cursor string, _ int) error {
		if cursor != "p002" {
			return nil
		}
		v, err := env.QueryWorkflow(QueryProgress)
		if err != nil {
			return err
		}
		return v.Get(&got)
	}
	env.ExecuteWorkflow(NameSweep, SweepInput{Registry: "r"})
	want := plimsoll.Sweep{
		Registry: "r", Slot: "20261125T010000Z", State: plimsoll.SweepRunning, Recipe: testRecipe, Actor: "schedule", Started: sweepStart,
		Cursor: "p002", Counts: counts(2), Repositories: 2,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("progress (-want +got):\n%s", diff)
	}
	v, err := env.QueryWorkflow(QueryProgress)
	if err != nil {
		t.Fatal(err)
	}
	if err := v.Get(&got); err != nil || got.State != plimsoll.SweepGreen {
		t.Errorf("at the end: state %q (%v), want the final one", got.State, err)
	}
}

// TestPlanAndRetry: both hand on what they are asked for and what they got; a retry has a slot of its own.
func TestPlanAndRetry(t *testing.T) {
	t.Parallel()
	s := &tour{}
	env := sweepEnv(s)
	env.ExecuteWorkflow(NamePlan, "harbor")
	var plan plimsoll.SweepPlan
	if err := env.GetWorkflowResult(&plan); err != nil || plan.Tags != 7 {
		t.Errorf("plan %+v (%v), want the sweeper's", plan, err)
	}
	env = sweepEnv(s)
	env.ExecuteWorkflow(NameRetry, RetryInput{Registry: "harbor", Cause: "403"})
	var got plimsoll.Retry
	if err := env.GetWorkflowResult(&got); err != nil || got.Tags != 3 {
		t.Errorf("retry %+v (%v), want the sweeper's", got, err)
	}
	want := []string{"plan harbor", "retry harbor 403 " + sweepStart.Format(slotLayout)}
	if diff := cmp.Diff(want, s.calls); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
}
