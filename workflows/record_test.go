package workflows

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/temporalproto"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"

	"github.com/plimsoll/plimsoll"
	scanv1 "github.com/plimsoll/plimsoll/proto/scan/v1"
)

// recordAt names a Temporal server to record histories at (namespace "default"):
//
//	PLIMSOLL_RECORD_TEMPORAL=127.0.0.1:7233 PLIMSOLL_RECORD_PREFIX=v2- go test -run TestRecordHistories .
//
// The prefix keeps new histories beside those of older versions, which must go on replaying.
const (
	recordAt     = "PLIMSOLL_RECORD_TEMPORAL"
	recordPrefix = "PLIMSOLL_RECORD_PREFIX"
)

// recorder runs workflows at a real server and saves their histories.
type recorder struct {
	*testing.T
	client client.Client
	prefix string
}

// TestRecordHistories makes the files that TestReplay reads. It is no test by itself: it runs only when asked.
func TestRecordHistories(t *testing.T) {
	address := os.Getenv(recordAt)
	if address == "" {
		t.Skipf("%s is not set: histories are recorded at a running server", recordAt)
	}
	c, err := client.Dial(client.Options{
		HostPort: address, Namespace: cmp.Or(os.Getenv("PLIMSOLL_RECORD_NAMESPACE"), "default"), Identity: "plimsoll",
		Logger: silent(),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	r := recorder{T: t, client: c, prefix: os.Getenv(recordPrefix)}
	r.scans()
	r.sweeps()
	r.reports()
}

func (r recorder) scans() {
	push := &script{plan: Planned{Key: "plans/demo/push", Cuts: []int{0, 2}, Images: 1, Bytes: 4096}}
	defer r.host(scanv1.TaskQueuePush, func(w worker.Registry) { RegisterScan(w, push) })()
	r.save("scan-push", r.run(ScanOptions(pushOf(1)), NameScan, pushOf(1)))
	push.plan.Quick = true
	r.save("scan-push-quick", r.run(ScanOptions(pushOf(1)), NameScan, pushOf(1)))

	sweep := &script{plan: Planned{Key: "plans/demo/sweep", Cuts: []int{0, 1, 2, 65, 129, 140, 150, 160, 170, 180, 190, 200}, Images: 64, Bytes: 1 << 30}}
	sweep.analyze = func(from, _ int) error {
		if from == 65 {
			return plimsoll.ErrRecipe // a batch that fails as a whole
		}
		return nil
	}
	defer r.host(scanv1.TaskQueueSweep, func(w worker.Registry) { RegisterScan(w, sweep) })()
	r.save("scan-sweep", r.run(ScanOptions(sweepOf(64)), NameScan, sweepOf(64)))
	sweep.plan = Planned{Key: "plans/demo/lone", Cuts: []int{0, 2}, Images: 2, Bytes: 4096, Lone: true}
	r.save("scan-sweep-early", r.run(ScanOptions(sweepOf(2)), NameScan, sweepOf(2)))
}

func (r recorder) sweeps() {
	r.sweep("sweep", &tour{pages: 3})
	r.sweep("sweep-continued", &tour{pages: pagesPerRun + 2})
	r.sweep("sweep-failed", &tour{pages: 3, page: func(cursor string, _ int) error {
		if cursor != "" {
			return plimsoll.ErrDenied
		}
		return nil
	}})
	r.sweep("sweep-cancelled", &tour{pages: 3, page: func(cursor string, _ int) error {
		if cursor == "" {
			return nil
		}
		if err := r.client.CancelWorkflow(r.Context(), SweepID("sweep-cancelled"), ""); err != nil {
			r.Error(err)
		}
		return plimsoll.ErrUnavailable // the retry is what is cancelled
	}})
}

// sweep records a sweep: its first run and, when it continued as new, its last.
func (r recorder) sweep(name string, s *tour) {
	o := SweepOptions(name)
	defer r.host(o.TaskQueue, func(w worker.Registry) { RegisterSweep(w, s) })()
	first := r.run(o, NameSweep, SweepInput{Registry: name})
	r.save(name, first)
	if s.pages > pagesPerRun {
		last := r.client.GetWorkflow(r.Context(), o.ID, "")
		r.save(name+"-last", last)
	}
}

func (r recorder) reports() {
	defer r.host(scanv1.TaskQueueReport, func(w worker.Registry) { RegisterReport(w, &press{}) })()
	r.save("report-scheduled", r.run(ReportOptions("scheduled"), NameReport, ReportInput{Zone: "Europe/Berlin"}))
	r.save("report", r.run(ReportOptions("2026-W40"), NameReport, ReportInput{Period: "2026-W40"}))
}

func (r recorder) host(queue string, register func(worker.Registry)) (stop func()) {
	w := worker.New(r.client, queue, worker.Options{})
	register(w)
	if err := w.Start(); err != nil {
		r.Fatal(err)
	}
	return w.Stop
}

// run runs a workflow to its end, whichever that is.
func (r recorder) run(o client.StartWorkflowOptions, name string, in any) client.WorkflowRun {
	ctx, stop := context.WithTimeout(r.Context(), time.Minute)
	defer stop()
	run, err := r.client.ExecuteWorkflow(ctx, o, name, in)
	if err != nil {
		r.Fatal(err)
	}
	first := r.client.GetWorkflow(ctx, run.GetID(), run.GetRunID())
	r.Logf("%s ended: %v", o.ID, run.Get(ctx, nil))
	return first
}

// save writes a history, one event a line.
func (r recorder) save(name string, run client.WorkflowRun) {
	var lines bytes.Buffer
	events := r.client.GetWorkflowHistory(r.Context(), run.GetID(), run.GetRunID(), false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		event, err := events.Next()
		if err != nil {
			r.Fatal(err)
		}
		raw, err := temporalproto.CustomJSONMarshalOptions{}.Marshal(event)
		if err != nil {
			r.Fatal(err)
		}
		if lines.Len() > 0 {
			lines.WriteString(",\n")
		}
		if err := json.Compact(&lines, raw); err != nil {
			r.Fatal(err)
		}
	}
	file := filepath.Join(historyDir, r.prefix+name+".json")
	if err := os.WriteFile(file, fmt.Appendf(nil, "{\"events\":[\n%s\n]}\n", lines.Bytes()), 0o644); err != nil {
		r.Fatal(err)
	}
}
