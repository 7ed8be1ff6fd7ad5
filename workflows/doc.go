// Package workflows holds the Temporal workflows and their thin activities: what runs in which order, with which bounds.
// The work itself stands behind [Scanner], [Sweeper] and [Reporter], which the services implement.
//
// Workflow code is replayed from recorded histories, so a change to the order of its commands breaks runs in flight. The
// replay tests over testdata/history tell; such a change is then guarded by [workflow.GetVersion] with a new change id, and
// a history of the new form is added beside the old one, which stays until no run of it can be alive ([scanTimeout],
// [sweepTimeout]).
package workflows
