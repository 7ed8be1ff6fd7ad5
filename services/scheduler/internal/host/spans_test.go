package host

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	spantest "go.opentelemetry.io/otel/sdk/trace/tracetest"
	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/interceptor"
	sdklog "go.temporal.io/sdk/log"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	scanv1 "github.com/plimsoll/plimsoll/proto/scan/v1"
	"github.com/plimsoll/plimsoll/services/internal/trace"
	"github.com/plimsoll/plimsoll/workflows"
)

// recorded is the interceptor as Dial makes it, and the spans that it has ended.
func recorded(t *testing.T) (trace.Tracer, interceptor.Interceptor, *spantest.SpanRecorder) {
	t.Helper()
	r := spantest.NewSpanRecorder()
	p := sdk.NewTracerProvider(sdk.WithSpanProcessor(r))
	t.Cleanup(func() { _ = p.Shutdown(context.Background()) })
	tracer := trace.New(p)
	return tracer, interceptor.NewTracingInterceptor(spans{tracer: tracer}), r
}

// scanner is a scan of one image with one layer, whose announcement fails once. It notes the trace in which it is asked.
type scanner struct {
	traces   []string
	announce int
}

func (s *scanner) note(ctx context.Context) { s.traces = append(s.traces, trace.ID(ctx)) }

func (s *scanner) Resolve(ctx context.Context, _ *scanv1.ScanRequest, _ string, _ func(string)) (workflows.Planned, error) {
	s.note(ctx)
	return workflows.Planned{Key: "k", Cuts: []int{0, 1}, Images: 1}, nil
}

func (s *scanner) Analyze(ctx context.Context, _ string, _, _ int, _ bool, _ func(string)) error {
	s.note(ctx)
	return nil
}

func (s *scanner) Assemble(ctx context.Context, _ string, _ func(string)) error {
	s.note(ctx)
	return nil
}

func (s *scanner) Announce(ctx context.Context, _ string) (workflows.Announced, error) {
	s.note(ctx)
	if s.announce++; s.announce == 1 {
		return workflows.Announced{}, errors.New("bucket is away")
	}
	return workflows.Announced{}, nil
}

// scan runs the workflow of one request whose header names parent, and gives "name below parent's name" of each span.
func scan(t *testing.T, lane scanv1.Lane, s *scanner, parent string, i interceptor.Interceptor, r *spantest.SpanRecorder) []string {
	t.Helper()
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler)))
	if parent != "" {
		header, err := converter.GetDefaultDataConverter().ToPayload(map[string]string{trace.Header: parent})
		if err != nil {
			t.Fatal(err)
		}
		suite.SetHeader(&commonpb.Header{Fields: map[string]*commonpb.Payload{spans{}.Options().HeaderKey: header}})
	}
	env := suite.NewTestWorkflowEnvironment()
	env.SetWorkerOptions(worker.Options{Interceptors: []interceptor.WorkerInterceptor{i}})
	workflows.RegisterScan(env, s)
	request := &scanv1.ScanRequest{Lane: lane, Registry: "prod", Repository: "team/app", Targets: []*scanv1.Target{{Tag: "1.0"}}}
	env.ExecuteWorkflow(workflows.NameScan, request)
	if err := env.GetWorkflowError(); err != nil {
		t.Fatal(err)
	}
	names := map[string]string{}
	for _, span := range r.Ended() {
		names[span.SpanContext().SpanID().String()] = span.Name()
	}
	var got []string
	for _, span := range r.Ended() {
		got = append(got, fmt.Sprintf("%s below %q %s", span.Name(), names[span.Parent().SpanID().String()], span.Status().Description))
	}
	slices.Sort(got)
	return got
}

// TestSpans: workflow and activities are steps of the trace whose parent the header names, each try one, whatever kind of
// activity they are; what the activities do is within them.
func TestSpans(t *testing.T) {
	t.Parallel()
	want := []string{
		`ScanImages below "event" `, `event below "" `,
		`scan.Analyze below "ScanImages" `, `scan.Announce below "ScanImages" `, `scan.Announce below "ScanImages" bucket is away (type: other, retryable: true)`,
		`scan.Assemble below "ScanImages" `, `scan.Resolve below "ScanImages" `,
	}
	for _, lane := range []scanv1.Lane{scanv1.Lane_LANE_PUSH, scanv1.Lane_LANE_SWEEP} {
		tracer, i, r := recorded(t)
		ctx, event := tracer.Begin(t.Context(), "event", trace.Server)
		parent, id := trace.Parent(ctx), trace.ID(ctx)
		event.End(nil)
		s := &scanner{}
		if diff := cmp.Diff(want, scan(t, lane, s, parent, i, r)); diff != "" {
			t.Errorf("%s: spans (-want +got):\n%s", lane, diff)
		}
		if diff := cmp.Diff(slices.Repeat([]string{id}, 5), s.traces); diff != "" {
			t.Errorf("%s: activities run in traces (-want +got):\n%s", lane, diff)
		}
	}
}

// TestUntraced: a scan of no trace begins none.
func TestUntraced(t *testing.T) {
	t.Parallel()
	for _, parent := range []string{"", "not a parent"} {
		_, i, r := recorded(t)
		s := &scanner{}
		if got := scan(t, scanv1.Lane_LANE_PUSH, s, parent, i, r); got != nil || slices.ContainsFunc(s.traces, func(id string) bool { return id != "" }) {
			t.Errorf("parent %q: spans %q in traces %q", parent, got, s.traces)
		}
	}
}

// TestReplayTraced: histories of untraced runs are replayed by a host that traces: turning traces on strands no run.
func TestReplayTraced(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../../../workflows/testdata/history/scan-*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no histories of scans: %v", err)
	}
	_, i, _ := recorded(t)
	for _, file := range files {
		replayer, err := worker.NewWorkflowReplayerWithOptions(worker.WorkflowReplayerOptions{Interceptors: []interceptor.WorkerInterceptor{i}})
		if err != nil {
			t.Fatal(err)
		}
		replayer.RegisterWorkflowWithOptions(workflows.ScanImages, workflow.RegisterOptions{Name: workflows.NameScan})
		if err := replayer.ReplayWorkflowHistoryFromJSONFile(nil, file); err != nil {
			t.Errorf("%s: %v", filepath.Base(file), err)
		}
	}
}
