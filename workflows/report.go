package workflows

import (
	"fmt"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/plimsoll/plimsoll"
)

// scheduledStart is the search attribute in which Temporal's schedules keep the time a run was meant to start at: after an
// outage it is earlier than the start itself.
var scheduledStart = temporal.NewSearchAttributeKeyTime("TemporalScheduledStartTime")

// reportSlot is a period with its cut-off instant.
type reportSlot struct {
	Period string
	Cutoff time.Time
}

// WeeklyReport writes the report of one period. With an empty period, as a schedule starts it, the period is the ISO week
// that ended last before the scheduled time; that one is then made by a child run with the id [ReportID], so that a
// schedule, its catch-up and a person asking meet in one run. The cut-off is the end of the week in the zone, or the start
// of the run when the week is not over.
func WeeklyReport(ctx workflow.Context, in ReportInput) error {
	slot, err := slotOf(ctx, in)
	if err != nil {
		return step(ctx, "period", err)
	}
	if in.Period == "" {
		return step(ctx, "write report "+slot.Period, once(ctx, ReportInput{Period: slot.Period, Zone: in.Zone, Cutoff: slot.Cutoff}))
	}
	write := workflow.ExecuteActivity(boundReport.activity(ctx), activityReport, slot.Period, slot.Cutoff)
	return step(ctx, "write report "+slot.Period, write.Get(ctx, nil))
}

// slotOf finds period and cut-off. It runs as a side effect, recorded in the history, because the zone's rules come from
// the machine.
func slotOf(ctx workflow.Context, in ReportInput) (reportSlot, error) {
	at := workflow.GetInfo(ctx).WorkflowStartTime
	if t, ok := workflow.GetTypedSearchAttributes(ctx).GetTime(scheduledStart); ok {
		at = t
	}
	var got struct {
		Slot  reportSlot
		Fault string
	}
	err := workflow.SideEffect(ctx, func(workflow.Context) any {
		slot, err := in.slot(at)
		got := got
		if got.Slot = slot; err != nil {
			got.Fault = err.Error()
		}
		return got
	}).Get(&got)
	if err != nil {
		return reportSlot{}, err
	}
	if got.Fault != "" {
		return reportSlot{}, failure(fmt.Errorf("%s: %w", got.Fault, plimsoll.ErrInvalid))
	}
	return got.Slot, nil
}

// slot is the period of in, or the last whole week before at.
func (in ReportInput) slot(at time.Time) (reportSlot, error) {
	zone, err := time.LoadLocation(in.Zone)
	if err != nil {
		return reportSlot{}, fmt.Errorf("report zone %.60q is not known", in.Zone)
	}
	at = at.In(zone)
	if in.Period == "" {
		year, week := at.AddDate(0, 0, -7).ISOWeek()
		in.Period = fmt.Sprintf("%04d-W%02d", year, week)
	}
	monday, err := weekStart(in.Period, zone)
	if err != nil {
		return reportSlot{}, err
	}
	cutoff := monday.AddDate(0, 0, 7)
	if at.Before(cutoff) {
		cutoff = at
	}
	if !in.Cutoff.IsZero() {
		cutoff = in.Cutoff
	}
	return reportSlot{Period: in.Period, Cutoff: cutoff.UTC()}, nil
}

// weekStart is the first instant of an ISO 8601 week: the week with the year's first Thursday, hence with 4 January, is W01.
func weekStart(period string, zone *time.Location) (time.Time, error) {
	var year, week int
	if n, err := fmt.Sscanf(period, "%4d-W%2d", &year, &week); err != nil || n != 2 {
		return time.Time{}, fmt.Errorf("period %.20q: want an ISO week like 2026-W48", period)
	}
	fourth := time.Date(year, time.January, 4, 0, 0, 0, 0, zone)
	sinceMonday := (int(fourth.Weekday()) + 6) % 7
	monday := fourth.AddDate(0, 0, 7*(week-1)-sinceMonday)
	if y, w := monday.ISOWeek(); fmt.Sprintf("%04d-W%02d", y, w) != period {
		return time.Time{}, fmt.Errorf("period %.20q: there is no such ISO week", period)
	}
	return monday, nil
}

// once runs the report as a child of its own id. One that runs already does the same work and is left to it.
func once(ctx workflow.Context, in ReportInput) error {
	ctx = workflow.WithChildOptions(ctx, workflow.ChildWorkflowOptions{
		WorkflowID:               ReportID(in.Period),
		WorkflowIDReusePolicy:    enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE_FAILED_ONLY,
		WorkflowExecutionTimeout: reportTimeout,
	})
	err := workflow.ExecuteChildWorkflow(ctx, NameReport, in).Get(ctx, nil)
	if temporal.IsWorkflowExecutionAlreadyStartedError(err) {
		return nil
	}
	return err
}
