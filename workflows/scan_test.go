package workflows

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"

	"github.com/plimsoll/plimsoll"
	scanv1 "github.com/plimsoll/plimsoll/proto/scan/v1"
)

// script is a Scanner that does what a test says and notes what it was asked.
type script struct {
	plan    Planned
	resolve func(try int) error
	analyze func(from, try int) error
	// assemble and announce give the error of each try.
	assemble func(try int) error
	announce func(try int) error
	// announced is what Announce returns.
	announced Announced

	mu       sync.Mutex
	calls    []string
	tries    map[string]int
	atOnce   int
	mostOnce int
}

func (s *script) note(call string) (try int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tries == nil {
		s.tries = map[string]int{}
	}
	s.tries[call]++
	s.calls = append(s.calls, call)
	return s.tries[call]
}

func (s *script) Resolve(context.Context, *scanv1.ScanRequest, string, func(string)) (Planned, error) {
	try := s.note("resolve")
	if s.resolve != nil {
		return s.plan, s.resolve(try)
	}
	return s.plan, nil
}

func (s *script) Analyze(_ context.Context, plan string, from, to int, push bool, _ func(string)) error {
	try := s.note(fmt.Sprintf("analyze %s [%d,%d) push=%t", plan, from, to, push))
	s.mu.Lock()
	s.atOnce++
	s.mostOnce = max(s.mostOnce, s.atOnce)
	s.mu.Unlock()
	defer func() { s.mu.Lock(); s.atOnce--; s.mu.Unlock() }()
	if s.analyze != nil {
		return s.analyze(from, try)
	}
	return nil
}

func (s *script) Assemble(context.Context, string, func(string)) error {
	try := s.note("assemble")
	if s.assemble != nil {
		return s.assemble(try)
	}
	return nil
}

func (s *script) Announce(context.Context, string) (Announced, error) {
	try := s.note("announce")
	if s.announce != nil {
		return s.announced, s.announce(try)
	}
	return s.announced, nil
}

// sortedCalls are the calls with those of batches, which run beside each other, in order.
func (s *script) sortedCalls() []string {
	calls := slices.Clone(s.calls)
	slices.SortStableFunc(calls, func(a, b string) int {
		if strings.HasPrefix(a, "analyze") && strings.HasPrefix(b, "analyze") {
			return strings.Compare(a, b)
		}
		return 0
	})
	return calls
}

func pushOf(targets int) *scanv1.ScanRequest { return request(scanv1.Lane_LANE_PUSH, targets) }

func sweepOf(targets int) *scanv1.ScanRequest { return request(scanv1.Lane_LANE_SWEEP, targets) }

func request(lane scanv1.Lane, targets int) *scanv1.ScanRequest {
	r := &scanv1.ScanRequest{Lane: lane, Registry: "r", Repository: "team/app", Epoch: "e", Recipe: "0123456789abcdef", Actor: "sweep"}
	for i := range targets {
		r.Targets = append(r.Targets, &scanv1.Target{Tag: fmt.Sprintf("t%d", i), Digest: string(plimsoll.DigestOf([]byte{byte(i)})), Observed: 1})
	}
	return r
}

// quiet is a test suite whose log is dropped: tests that fail activities on purpose would fill it.
func quiet() *testsuite.WorkflowTestSuite {
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(silent())
	return &suite
}

// newEnv is a test environment that does not take a busy machine for a deadlock: by default a workflow's step may take a second.
func newEnv() *testsuite.TestWorkflowEnvironment {
	return patient(quiet().NewTestWorkflowEnvironment())
}

func patient(env *testsuite.TestWorkflowEnvironment) *testsuite.TestWorkflowEnvironment {
	env.SetWorkerOptions(worker.Options{DeadlockDetectionTimeout: time.Minute})
	return env
}

func silent() log.Logger { return log.NewStructuredLogger(slog.New(slog.DiscardHandler)) }

// runScan runs ScanImages over s, begun as a version before would or as today, and tells which activities were local.
func runScan(t *testing.T, s *script, r *scanv1.ScanRequest, early bool) (result ScanResult, local []string, err error) {
	t.Helper()
	env := newEnv()
	env.SetTestTimeout(time.Minute)
	if early {
		if err := env.SetMemoOnStart(ScanOptions(r).Memo); err != nil {
			t.Fatal(err)
		}
	}
	RegisterScan(env, s)
	env.SetOnLocalActivityStartedListener(func(info *activity.Info, _ context.Context, _ []any) {
		local = append(local, info.ActivityType.Name)
	})
	env.ExecuteWorkflow(NameScan, r)
	if err = env.GetWorkflowError(); err == nil {
		err = env.GetWorkflowResult(&result)
	}
	return result, slices.Compact(local), err
}

func TestScanImages(t *testing.T) {
	t.Parallel()
	unavailable := fmt.Errorf("registry r: %w", plimsoll.ErrUnavailable)
	denied := fmt.Errorf("registry r: %w", plimsoll.ErrDenied)
	plan := Planned{Key: "plans/r/k", Cuts: []int{0, 1, 5, 9}, Images: 3, Bytes: 77}
	always := func(err error) func(int) error { return func(int) error { return err } }
	ends := func(n int, err error) func(int) error {
		return func(try int) error {
			if try < n {
				return err
			}
			return nil
		}
	}
	batches := []string{"analyze plans/r/k [0,1) push=false", "analyze plans/r/k [1,5) push=false", "analyze plans/r/k [5,9) push=false"}
	around := func(middle ...string) []string {
		return slices.Concat([]string{"resolve"}, middle, []string{"assemble", "announce"})
	}
	repeat := func(call string, n int) []string { return slices.Repeat([]string{call}, n) }

	tests := []struct {
		name    string
		script  *script
		request *scanv1.ScanRequest
		early   bool // the run is begun as today's are
		calls   []string
		local   []string
		result  ScanResult
		err     error
		text    string
	}{{
		name: "sweep: each batch, then assemble and announce", script: &script{plan: plan}, request: sweepOf(64),
		calls: around(batches...), result: ScanResult{Plan: "plans/r/k", Images: 3, Bytes: 77},
	}, {
		name: "push: the short steps are local", script: &script{plan: Planned{Key: "p", Cuts: []int{0, 1}, Images: 1}}, request: pushOf(1),
		calls: around("analyze p [0,1) push=true"), local: []string{activityResolve, activityAssemble, activityAnnounce},
		result: ScanResult{Plan: "p", Images: 1},
	}, {
		name: "push of a few small layers: all is local", script: &script{plan: Planned{Key: "p", Cuts: []int{0, 1}, Images: 1, Quick: true}},
		request: pushOf(1), calls: around("analyze p [0,1) push=true"),
		local: []string{activityResolve, activityAnalyze, activityAssemble, activityAnnounce}, result: ScanResult{Plan: "p", Images: 1},
	}, {
		name: "small layers that are not read in a moment get the tries of others",
		script: &script{plan: Planned{Key: "p", Cuts: []int{0, 1}, Images: 1, Quick: true}, analyze: func() func(int, int) error {
			tries := 0
			return func(int, int) error {
				if tries++; tries < 4 {
					return unavailable
				}
				return nil
			}
		}()},
		request: pushOf(1), calls: around(repeat("analyze p [0,1) push=true", 4)...),
		local: []string{activityResolve, activityAnalyze, activityAssemble, activityAnnounce}, result: ScanResult{Plan: "p", Images: 1},
	}, {
		name: "small layers of a sweep", script: &script{plan: Planned{Key: "p", Cuts: []int{0, 1}, Images: 1, Quick: true}}, request: sweepOf(1),
		calls: around("analyze p [0,1) push=false"), result: ScanResult{Plan: "p", Images: 1},
	}, {
		name: "a sweep resolves within a moment", script: &script{plan: Planned{Key: "p", Cuts: []int{0, 4}, Images: 2, Lone: true}}, request: sweepOf(2), early: true,
		calls: around("analyze p [0,4) push=false"), local: []string{activityResolve}, result: ScanResult{Plan: "p", Images: 2},
	}, {
		name: "a sweep does not resolve within a moment", script: &script{plan: Planned{Key: "p", Images: 1, Lone: true}, resolve: ends(4, unavailable)}, request: sweepOf(1), early: true,
		calls: slices.Concat(repeat("resolve", 4), []string{"assemble", "announce"}), local: []string{activityResolve}, result: ScanResult{Plan: "p", Images: 1},
	}, {
		name: "resolve of a sweep fails for good", script: &script{resolve: always(unavailable)}, request: sweepOf(1), early: true,
		calls: repeat("resolve", 1+int(boundResolve.attempts)), local: []string{activityResolve}, err: plimsoll.ErrUnavailable, text: "resolve: registry r: unavailable",
	}, {
		name: "a registry that refuses a sweep is asked once", script: &script{resolve: always(denied)}, request: sweepOf(1), early: true,
		calls: []string{"resolve"}, local: []string{activityResolve}, err: plimsoll.ErrDenied, text: "resolve: registry r: access denied",
	}, {
		name: "a push is begun in the same way", script: &script{plan: Planned{Key: "p", Images: 1, Lone: true}}, request: pushOf(1), early: true,
		calls: around(), local: []string{activityResolve, activityAssemble, activityAnnounce}, result: ScanResult{Plan: "p", Images: 1},
	}, {
		name: "a sweep's only batch: one step does the rest", script: &script{plan: Planned{Key: "p", Cuts: []int{0, 4}, Images: 2, Lone: true}}, request: sweepOf(2),
		calls: around("analyze p [0,4) push=false"), result: ScanResult{Plan: "p", Images: 2},
	}, {
		name: "a push's only batch", script: &script{plan: Planned{Key: "p", Cuts: []int{0, 4}, Images: 1, Lone: true}}, request: pushOf(1),
		calls: around("analyze p [0,4) push=true"), local: []string{activityResolve, activityAssemble, activityAnnounce},
		result: ScanResult{Plan: "p", Images: 1},
	}, {
		name: "the only batch of a push of many targets", script: &script{plan: Planned{Key: "p", Cuts: []int{0, 4}, Images: 1, Lone: true}}, request: pushOf(localTargets + 1),
		calls: around("analyze p [0,4) push=true"), result: ScanResult{Plan: "p", Images: 1},
	}, {
		name: "a push that lacks something", script: &script{plan: Planned{Key: "p", Images: 1}, announced: Announced{Unsettled: 1}}, request: pushOf(1),
		calls: around(), local: []string{activityResolve, activityAssemble, activityAnnounce}, result: ScanResult{Plan: "p", Images: 1, Announced: Announced{Unsettled: 1}},
	}, {
		name: "one step lacks something", script: &script{plan: Planned{Key: "p", Images: 1, Lone: true}, announced: Announced{Unsettled: 2, Doubtful: 1}}, request: sweepOf(2),
		calls: around(), result: ScanResult{Plan: "p", Images: 1, Announced: Announced{Unsettled: 2, Doubtful: 1}},
	}, {
		name: "no batch", script: &script{plan: Planned{Key: "p", Images: 1, Lone: true}}, request: sweepOf(1),
		calls: around(), result: ScanResult{Plan: "p", Images: 1},
	}, {
		name: "no batch and no images", script: &script{plan: Planned{Key: "p", Lone: true}}, request: sweepOf(1),
		calls: []string{"resolve", "announce"}, result: ScanResult{Plan: "p"},
	}, {
		name:   "the only batch fails: the rest is told after its tries",
		script: &script{plan: Planned{Key: "p", Cuts: []int{0, 1}, Images: 1, Lone: true}, analyze: func(int, int) error { return unavailable }}, request: sweepOf(1),
		calls:  around(repeat("analyze p [0,1) push=false", int(boundAnalyze.attempts))...),
		result: ScanResult{Plan: "p", Images: 1, Unread: 1, First: "registry r: unavailable"},
	}, {
		name: "the only batch fails for good: the rest is told at once",
		script: &script{plan: Planned{Key: "p", Cuts: []int{0, 1}, Images: 1, Lone: true}, analyze: func(int, int) error {
			return fmt.Errorf("worker: %w", plimsoll.ErrRecipe)
		}}, request: sweepOf(1),
		calls:  around("analyze p [0,1) push=false"),
		result: ScanResult{Plan: "p", Images: 1, Unread: 1, First: "worker: recipe is not this worker's"},
	}, {
		name: "after the only batch nobody assembles", script: &script{plan: Planned{Key: "p", Images: 1, Lone: true}, assemble: always(unavailable)}, request: sweepOf(1),
		calls: slices.Concat([]string{"resolve"}, repeat("assemble", int(boundConclude.attempts))), err: plimsoll.ErrUnavailable, text: "conclude: registry r: unavailable",
	}, {
		name: "after the only batch announce is tried until the bucket answers", script: &script{plan: Planned{Key: "p", Lone: true}, announce: ends(4, unavailable)}, request: sweepOf(1),
		calls: slices.Concat([]string{"resolve"}, repeat("announce", 4)), result: ScanResult{Plan: "p"},
	}, {
		name: "push of many targets: nothing is local", script: &script{plan: Planned{Key: "p", Images: 1}}, request: pushOf(localTargets + 1),
		calls: around(), result: ScanResult{Plan: "p", Images: 1},
	}, {
		name: "no layer lacks facts", script: &script{plan: Planned{Key: "p", Images: 1}}, request: sweepOf(1),
		calls: around(), result: ScanResult{Plan: "p", Images: 1},
	}, {
		name: "no images at all: announced all the same", script: &script{plan: Planned{Key: "p"}}, request: sweepOf(1),
		calls: []string{"resolve", "announce"}, result: ScanResult{Plan: "p"},
	}, {
		name: "a passing fault of resolve is retried", script: &script{plan: Planned{Key: "p", Images: 1}, resolve: ends(3, unavailable)}, request: sweepOf(1),
		calls: slices.Concat(repeat("resolve", 3), []string{"assemble", "announce"}), result: ScanResult{Plan: "p", Images: 1},
	}, {
		name: "resolve fails for good: the queue tries again later", script: &script{resolve: always(unavailable)}, request: sweepOf(1),
		calls: repeat("resolve", int(boundResolve.attempts)), err: plimsoll.ErrUnavailable, text: "resolve: registry r: unavailable",
	}, {
		name: "resolve of a push fails for good", script: &script{resolve: always(unavailable)}, request: pushOf(1),
		calls: repeat("resolve", int(boundLocal.attempts)), local: []string{activityResolve}, err: plimsoll.ErrUnavailable, text: "resolve: registry r: unavailable",
	}, {
		name: "denied is not retried at once", script: &script{resolve: always(denied)}, request: sweepOf(1),
		calls: []string{"resolve"}, err: plimsoll.ErrDenied, text: "resolve: registry r: access denied",
	}, {
		name: "an unknown fault is retried", script: &script{resolve: always(errors.New("odd"))}, request: sweepOf(1),
		calls: repeat("resolve", int(boundResolve.attempts)), text: "resolve: odd",
	}, {
		name: "a batch that fails does not stop the others",
		script: &script{plan: plan, analyze: func(from, _ int) error {
			if from == 1 {
				return unavailable
			}
			return nil
		}}, request: sweepOf(3),
		calls:  around(slices.Concat(batches[:1], repeat(batches[1], int(boundAnalyze.attempts)), batches[2:])...),
		result: ScanResult{Plan: "plans/r/k", Images: 3, Bytes: 77, Unread: 1, First: "registry r: unavailable"},
	}, {
		name: "another recipe ends a batch at once",
		script: &script{plan: Planned{Key: "p", Cuts: []int{0, 1}, Images: 1}, analyze: func(int, int) error {
			return fmt.Errorf("worker: %w", plimsoll.ErrRecipe)
		}}, request: sweepOf(1),
		calls:  around("analyze p [0,1) push=false"),
		result: ScanResult{Plan: "p", Images: 1, Unread: 1, First: "worker: recipe is not this worker's"},
	}, {
		name: "no worker assembles", script: &script{plan: Planned{Key: "p", Images: 1}, assemble: always(unavailable)}, request: sweepOf(1),
		calls: slices.Concat([]string{"resolve"}, repeat("assemble", int(boundAssemble.attempts))), err: plimsoll.ErrUnavailable, text: "assemble: registry r: unavailable",
	}, {
		name: "announce is tried until the bucket answers", script: &script{plan: Planned{Key: "p"}, announce: ends(4, unavailable)}, request: sweepOf(1),
		calls: slices.Concat([]string{"resolve"}, repeat("announce", 4)), result: ScanResult{Plan: "p"},
	}, {
		name: "announce fails for good", script: &script{plan: Planned{Key: "p"}, announce: always(plimsoll.ErrLimit)}, request: sweepOf(1),
		calls: []string{"resolve", "announce"}, err: plimsoll.ErrLimit, text: "announce: limit reached",
	}}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			result, local, err := runScan(t, test.script, test.request, test.early)
			if diff := cmp.Diff(test.calls, test.script.sortedCalls()); diff != "" {
				t.Errorf("calls (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.local, local); diff != "" {
				t.Errorf("local activities (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.result, result); diff != "" {
				t.Errorf("result (-want +got):\n%s", diff)
			}
			checkFailure(t, err, test.err, test.text)
		})
	}
}

// checkFailure checks kind and text of what a workflow failed with.
func checkFailure(t *testing.T, err, kind error, text string) {
	t.Helper()
	if (err != nil) != (text != "") {
		t.Fatalf("workflow error = %v, want text %q", err, text)
	}
	if err == nil {
		return
	}
	got := FromFailure(err)
	if kind != nil && !errors.Is(got, kind) {
		t.Errorf("error kind: %v does not wrap %v", got, kind)
	}
	if failureText(err) != text {
		t.Errorf("error text = %q, want %q", failureText(err), text)
	}
}

// TestScanImagesOfALayerThatHangs: tries that take long are few, so that the reason is told within minutes.
func TestScanImagesOfALayerThatHangs(t *testing.T) {
	t.Parallel()
	for _, lone := range []bool{false, true} {
		s := &script{
			plan:    Planned{Key: "p", Cuts: []int{0, 1}, Images: 1, Lone: lone},
			analyze: func(int, int) error { return fmt.Errorf("registry r: %w", plimsoll.ErrUnavailable) },
		}
		env := newEnv()
		registerScan(env, scanActivities{scanner: s, slow: -1}) // each try counts as slow
		env.ExecuteWorkflow(NameScan, sweepOf(1))
		var result ScanResult
		if err := env.GetWorkflowResult(&result); err != nil {
			t.Fatal(err)
		}
		if want := (ScanResult{Plan: "p", Images: 1, Unread: 1, First: "registry r: unavailable"}); result != want {
			t.Errorf("lone %t: result %+v, want %+v", lone, result, want)
		}
		analyze := "analyze p [0,1) push=false"
		if diff := cmp.Diff([]string{"resolve", analyze, analyze, "assemble", "announce"}, s.calls); diff != "" {
			t.Errorf("lone %t: calls (-want +got):\n%s", lone, diff)
		}
	}
}

func TestScanImagesBoundsBatchesAtOnce(t *testing.T) {
	t.Parallel()
	plan := Planned{Key: "p", Images: 1}
	for i := range MaxBatches + 1 {
		plan.Cuts = append(plan.Cuts, i)
	}
	s := &script{plan: plan, analyze: func(int, int) error { return nil }}
	if _, _, err := runScan(t, s, sweepOf(1), true); err != nil {
		t.Fatal(err)
	}
	if got, want := len(s.calls), MaxBatches+3; got != want {
		t.Errorf("%d calls, want %d", got, want)
	}
	if s.mostOnce > batchesAtOnce {
		t.Errorf("%d batches at once, want at most %d", s.mostOnce, batchesAtOnce)
	}
}

func TestScanImagesCancelled(t *testing.T) {
	t.Parallel()
	env := newEnv()
	s := &script{plan: Planned{Key: "p", Cuts: []int{0, 1, 2}, Images: 1}}
	s.analyze = func(int, int) error { env.CancelWorkflow(); return plimsoll.ErrUnavailable }
	RegisterScan(env, s)
	env.ExecuteWorkflow(NameScan, sweepOf(1))
	if err := env.GetWorkflowError(); !temporal.IsCanceledError(err) {
		t.Errorf("workflow error = %v, want cancelled", err)
	}
	if slices.Contains(s.calls, "announce") {
		t.Errorf("calls = %v: a cancelled scan must not announce", s.calls)
	}
}

// The largest request and the largest plan must fit into a payload.
func TestPayloadsFit(t *testing.T) {
	t.Parallel()
	const limit = 16 << 10
	r := sweepOf(scanv1.MaxTargets)
	r.Repository = strings.Repeat("a", plimsoll.MaxRepository)
	for _, target := range r.Targets {
		target.Tag, target.Observed = "v1.22.333-"+strings.Repeat("x", 70), time.Now().UnixNano()
	}
	plan := Planned{Key: "plans/" + strings.Repeat("r", 128) + "/" + strings.Repeat("f", 49), Images: 1 << 20, Bytes: 1 << 50}
	for i := range MaxBatches + 1 {
		plan.Cuts = append(plan.Cuts, 49_000+i)
	}
	for name, v := range map[string]any{"request": r, "plan": plan} {
		p, err := converter.GetDefaultDataConverter().ToPayload(v)
		if err != nil {
			t.Fatal(err)
		}
		if p.Size() > limit {
			t.Errorf("%s: %d bytes, want at most %d", name, p.Size(), limit)
		}
	}
}
