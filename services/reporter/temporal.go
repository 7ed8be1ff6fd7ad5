package reporter

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"

	"github.com/plimsoll/plimsoll"
	scanv1 "github.com/plimsoll/plimsoll/proto/scan/v1"
	"github.com/plimsoll/plimsoll/services/internal/blob"
	"github.com/plimsoll/plimsoll/services/internal/config"
	"github.com/plimsoll/plimsoll/workflows"
)

const (
	// askTimeout bounds one call to Temporal on behalf of a page or the API.
	askTimeout = 3 * time.Second
	// hostAgain is how long hosting waits after a failed try, watchEvery how often a connection that stands is tried.
	hostAgain  = 5 * time.Second
	watchEvery = 15 * time.Second
	// reportScheduleID names the schedule of the weekly report.
	reportScheduleID = "report/weekly"
	// catchUp is how late a missed report is still made: a cluster that was down over the week-end makes it on its return.
	catchUp = 6 * 24 * time.Hour
	// reportsAtOnce: one report reads the whole posture and the report before it; a second would only double the memory.
	reportsAtOnce = 1
)

// orchestrator is what the reporter asks of Temporal: sweeps on behalf of people, and the weekly report.
type orchestrator struct {
	client client.Client
	store  *blob.Store
	parts  *parts
	log    *slog.Logger
}

// openOrchestrator does not connect: that happens at the first call, and again after a loss.
func openOrchestrator(c config.Temporal, store *blob.Store, p *parts, log *slog.Logger) (*orchestrator, error) {
	o := client.Options{
		HostPort: c.Address, Namespace: c.Namespace, Identity: "plimsoll-reporter", Logger: sdklog.NewStructuredLogger(log.With("part", partTemporal)),
	}
	def(&o.Namespace, client.DefaultNamespace)
	if c.APIKeyFile != "" { // read at each call, so that a key can change without a restart
		o.Credentials = client.NewAPIKeyDynamicCredentials(func(context.Context) (string, error) { return readKey(c.APIKeyFile) })
	}
	var err error
	if o.ConnectionOptions.TLS, err = temporalTLS(c); err != nil {
		return nil, err
	}
	t, err := client.NewLazyClient(o)
	if err != nil {
		return nil, fmt.Errorf("temporal.address %s: %w", c.Address, err)
	}
	return &orchestrator{t, store, p, log}, nil
}

func readKey(file string) (string, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("temporal.api_key_file: %w", err)
	}
	return strings.TrimSpace(string(b)), nil
}

// temporalTLS is nil for plain text, which is what none of the files means.
func temporalTLS(c config.Temporal) (*tls.Config, error) {
	if c.CAFile == "" && c.CertFile == "" && c.APIKeyFile == "" {
		return nil, nil
	}
	conf := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.CAFile != "" {
		pem, err := os.ReadFile(c.CAFile)
		if err != nil {
			return nil, fmt.Errorf("temporal.ca_file: %w", err)
		}
		conf.RootCAs = x509.NewCertPool()
		if !conf.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("temporal.ca_file %s: %w: no certificate in PEM form", c.CAFile, plimsoll.ErrInvalid)
		}
	}
	if c.CertFile != "" {
		pair, err := tls.LoadX509KeyPair(c.CertFile, c.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("temporal.cert_file and temporal.key_file: %w", err)
		}
		conf.Certificates = []tls.Certificate{pair}
	}
	return conf, nil
}

// kind gives an error of Temporal one of our kinds.
func kind(err error) error {
	var missing *serviceerror.NotFound
	switch {
	case err == nil:
		return nil
	case errors.As(err, &missing):
		return fmt.Errorf("%w: %w", plimsoll.ErrNotFound, err)
	}
	return fmt.Errorf("temporal: %w: %w", plimsoll.ErrUnavailable, err)
}

// Start starts a sweep, or joins the one that runs.
func (o *orchestrator) Start(ctx context.Context, registry, actor string) (joined bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	if err := o.ready(); err != nil {
		return false, err
	}
	if joined, err = o.runs(ctx, workflows.SweepID(registry)); err != nil {
		return false, fmt.Errorf("sweep of %s: %w", registry, err)
	}
	if err := note(ctx, o.store, time.Now(), actor, registry, "sweep start"); err != nil {
		return false, err
	}
	_, err = o.client.ExecuteWorkflow(ctx, workflows.SweepOptions(registry), workflows.NameSweep, workflows.SweepInput{Registry: registry, Actor: actor})
	if err != nil {
		return false, fmt.Errorf("start sweep of %s: %w", registry, kind(err))
	}
	return joined, nil
}

// Cancel asks a running sweep to end.
func (o *orchestrator) Cancel(ctx context.Context, registry, actor string) error {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	if err := o.ready(); err != nil {
		return err
	}
	running, err := o.runs(ctx, workflows.SweepID(registry))
	if err == nil && !running {
		err = fmt.Errorf("%w: none runs", plimsoll.ErrNotFound)
	}
	if err == nil {
		err = note(ctx, o.store, time.Now(), actor, registry, "sweep cancel")
	}
	if err == nil {
		err = kind(o.client.CancelWorkflow(ctx, workflows.SweepID(registry), ""))
	}
	if err != nil {
		return fmt.Errorf("cancel sweep of %s: %w", registry, err)
	}
	return nil
}

// Progress is the running sweep as its workflow sees it; ErrNotFound when none runs.
func (o *orchestrator) Progress(ctx context.Context, registry string) (plimsoll.Sweep, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	var s plimsoll.Sweep
	if err := o.ready(); err != nil {
		return s, err
	}
	running, err := o.runs(ctx, workflows.SweepID(registry))
	if err == nil && !running {
		err = fmt.Errorf("%w: none runs", plimsoll.ErrNotFound)
	}
	if err != nil {
		return s, fmt.Errorf("sweep of %s: %w", registry, err)
	}
	value, err := o.client.QueryWorkflow(ctx, workflows.SweepID(registry), "", workflows.QueryProgress)
	if err == nil {
		err = value.Get(&s)
	}
	if err != nil {
		return s, fmt.Errorf("progress of the sweep of %s: %w", registry, kind(err))
	}
	return s, nil
}

// Next is when the next sweep starts by its schedule; ErrNotFound when none is scheduled, or the schedule is paused.
func (o *orchestrator) Next(ctx context.Context, registry string) (time.Time, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	if err := o.ready(); err != nil {
		return time.Time{}, err
	}
	d, err := o.client.ScheduleClient().GetHandle(ctx, workflows.ScheduleID(registry)).Describe(ctx)
	if err != nil {
		return time.Time{}, fmt.Errorf("schedule of %s: %w", registry, kind(err))
	}
	if d.Schedule.State != nil && d.Schedule.State.Paused || len(d.Info.NextActionTimes) == 0 {
		return time.Time{}, fmt.Errorf("schedule of %s: %w: it is paused", registry, plimsoll.ErrNotFound)
	}
	return d.Info.NextActionTimes[0].UTC(), nil
}

// Plan starts to find out what a sweep would do, or joins who does.
func (o *orchestrator) Plan(ctx context.Context, registry, actor string) (joined bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	if err := o.ready(); err != nil {
		return false, err
	}
	if joined, err = o.runs(ctx, workflows.PlanID(registry)); err != nil {
		return false, fmt.Errorf("plan of %s: %w", registry, err)
	}
	if err := note(ctx, o.store, time.Now(), actor, registry, "sweep plan"); err != nil {
		return false, err
	}
	_, err = o.client.ExecuteWorkflow(ctx, workflows.PlanOptions(registry), workflows.NamePlan, registry)
	if err != nil {
		return false, fmt.Errorf("start the plan of %s: %w", registry, kind(err))
	}
	return joined, nil
}

// Planned is the last plan of a registry; running while it is made, ErrNotFound when there is none.
func (o *orchestrator) Planned(ctx context.Context, registry string) (plan plimsoll.SweepPlan, running bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	if err := o.ready(); err != nil {
		return plan, false, err
	}
	id := workflows.PlanID(registry)
	if running, err = o.runs(ctx, id); err != nil || running {
		return plan, running, err
	}
	if err := o.client.GetWorkflow(ctx, id, "").Get(ctx, &plan); err != nil {
		var failed *temporal.WorkflowExecutionError
		if errors.As(err, &failed) {
			return plan, false, fmt.Errorf("plan of %s: %w", registry, workflows.FromFailure(err))
		}
		return plan, false, fmt.Errorf("plan of %s: %w", registry, kind(err))
	}
	return plan, false, nil
}

// retryWait is how long a retry is waited for: most are queued within it.
const retryWait = 20 * time.Second

// Retry queues again what a cause keeps from being covered.
func (o *orchestrator) Retry(ctx context.Context, registry, cause, actor string) (got plimsoll.Retry, done bool, err error) {
	if err := o.ready(); err != nil {
		return got, false, err
	}
	if err := note(ctx, o.store, time.Now(), actor, registry, "sweep retry: "+cause); err != nil {
		return got, false, err
	}
	in := workflows.RetryInput{Registry: registry, Cause: cause, Actor: actor}
	start, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	run, err := o.client.ExecuteWorkflow(start, workflows.RetryOptions(in), workflows.NameRetry, in)
	if err != nil {
		return got, false, fmt.Errorf("start the retry in %s: %w", registry, kind(err))
	}
	wait, cancel := context.WithTimeout(ctx, retryWait)
	defer cancel()
	err = run.Get(wait, &got)
	var failed *temporal.WorkflowExecutionError
	switch {
	case err == nil:
		return got, true, nil
	case errors.As(err, &failed):
		return got, false, fmt.Errorf("retry in %s: %w", registry, workflows.FromFailure(err))
	case ctx.Err() == nil && wait.Err() != nil:
		return got, false, nil // it goes on
	}
	return got, false, fmt.Errorf("retry in %s: %w", registry, kind(err))
}

// ready answers at once while Temporal is known to be away, so that no page waits for time-outs. Before the first word of
// it the call itself finds out.
func (o *orchestrator) ready() error {
	if err := o.parts.get(partTemporal); err != nil && !errors.Is(err, errStarting) {
		return fmt.Errorf("temporal: %w: %w", plimsoll.ErrUnavailable, err)
	}
	return nil
}

// runs says whether the workflow of that id runs.
func (o *orchestrator) runs(ctx context.Context, id string) (bool, error) {
	d, err := o.client.DescribeWorkflowExecution(ctx, id, "")
	if err := kind(err); errors.Is(err, plimsoll.ErrNotFound) {
		return false, nil
	} else if err != nil {
		return false, err
	}
	return d.GetWorkflowExecutionInfo().GetStatus() == enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING, nil
}

// host keeps the report's schedule as configured and hosts its task queue, until ctx ends. While Temporal is away it tries
// again; pages do without.
func (o *orchestrator) host(ctx context.Context, c Config, r workflows.Reporter) {
	for {
		w, err := o.start(ctx, c, r)
		if err == nil {
			o.parts.set(partTemporal, nil)
			err = o.watch(ctx)
			w.Stop()
		}
		if ctx.Err() != nil {
			return
		}
		if o.parts.set(partTemporal, err) {
			o.log.Warn("temporal does not answer: sweeps cannot be started and no report is made by schedule", "error", err)
		}
		if !pause(ctx, hostAgain) {
			return
		}
	}
}

func (o *orchestrator) start(ctx context.Context, c Config, r workflows.Reporter) (worker.Worker, error) {
	if err := o.healthy(ctx); err != nil {
		return nil, err
	}
	if err := o.keepSchedule(ctx, c); err != nil {
		return nil, err
	}
	w := worker.New(o.client, scanv1.TaskQueueReport, worker.Options{MaxConcurrentActivityExecutionSize: reportsAtOnce})
	workflows.RegisterReport(w, r)
	if err := w.Start(); err != nil {
		return nil, fmt.Errorf("host task queue %s: %w", scanv1.TaskQueueReport, err)
	}
	return w, nil
}

func (o *orchestrator) healthy(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	_, err := o.client.CheckHealth(ctx, &client.CheckHealthRequest{})
	return err
}

// watchTries is how many probes in a row must fail before Temporal counts as away: a busy one may miss one.
const watchTries = 3

// watch returns when Temporal has stopped answering.
func (o *orchestrator) watch(ctx context.Context) error {
	for failed := 0; ; {
		if !pause(ctx, watchEvery) {
			return context.Cause(ctx)
		}
		err := o.healthy(ctx)
		if err == nil {
			failed = 0
			continue
		}
		if failed++; failed == watchTries {
			return err
		}
	}
}

// keepSchedule makes the weekly report's schedule what the configuration says: there, changed, or gone.
func (o *orchestrator) keepSchedule(ctx context.Context, c Config) error {
	schedules := o.client.ScheduleClient()
	handle := schedules.GetHandle(ctx, reportScheduleID)
	if c.ReportCron == off {
		if err := kind(handle.Delete(ctx)); err != nil && !errors.Is(err, plimsoll.ErrNotFound) {
			return fmt.Errorf("remove schedule %s: %w", reportScheduleID, err)
		}
		return nil
	}
	want := reportSchedule(c)
	err := handle.Update(ctx, client.ScheduleUpdateOptions{DoUpdate: func(in client.ScheduleUpdateInput) (*client.ScheduleUpdate, error) {
		s := in.Description.Schedule
		s.Spec, s.Action = &want.Spec, want.Action
		return &client.ScheduleUpdate{Schedule: &s}, nil
	}})
	if errors.Is(kind(err), plimsoll.ErrNotFound) {
		_, err = schedules.Create(ctx, want)
	}
	if err != nil {
		return fmt.Errorf("schedule %s (%s, %s): %w", reportScheduleID, c.ReportCron, c.ReportZone, err)
	}
	return nil
}

func reportSchedule(c Config) client.ScheduleOptions {
	o := workflows.ReportOptions("")
	return client.ScheduleOptions{
		ID:   reportScheduleID,
		Spec: client.ScheduleSpec{CronExpressions: []string{c.ReportCron}, TimeZoneName: c.ReportZone},
		Action: &client.ScheduleWorkflowAction{
			ID: "report/scheduled", Workflow: workflows.NameReport, Args: []any{workflows.ReportInput{Zone: c.ReportZone}},
			TaskQueue: o.TaskQueue, WorkflowExecutionTimeout: o.WorkflowExecutionTimeout,
		},
		Overlap:       enumspb.SCHEDULE_OVERLAP_POLICY_SKIP,
		CatchupWindow: catchUp,
	}
}
