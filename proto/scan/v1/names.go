package scanv1

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
)

// Names of streams, subjects and consumers: one place, so that every part and every operator uses the same.
const (
	StreamRequests    = "PLIMSOLL_SCAN"   // work queue; both lanes
	StreamDeadLetters = "PLIMSOLL_DEAD"   // requests that failed for good, kept for people
	StreamEvents      = "PLIMSOLL_EVENTS" // hints to the reporter; short-lived
	LanePush          = "push"
	LaneSweep         = "sweep"

	subjectPush    = "plimsoll.scan.push."
	subjectSweep   = "plimsoll.scan.sweep."
	subjectDead    = "plimsoll.dead."
	subjectChanges = "plimsoll.changes."

	SubjectsRequests = "plimsoll.scan.>"
	SubjectsPush     = subjectPush + ">"
	SubjectsSweep    = subjectSweep + ">"
	SubjectsDead     = subjectDead + ">"
	SubjectsChanges  = subjectChanges + ">"
)

// Temporal task queues. The lanes go on into Temporal, so that a sweep's activities never stand before a push's.
const (
	TaskQueuePush   = "push"
	TaskQueueSweep  = "sweep"  // ScanImages of the sweep lane
	TaskQueueSweeps = "sweeps" // SweepRegistry itself
	TaskQueueReport = "report" // hosted by the reporter, nothing else there
)

// Bounds of one request.
const (
	MaxTargets      = 64
	MaxRequestBytes = 12 << 10
)

// Subject is where r is published: its lane and registry, and the epoch for sweeps, so that what is left of one sweep can
// be counted by subject.
func (r *ScanRequest) Subject() string {
	if r.GetLane() == Lane_LANE_PUSH {
		return subjectPush + r.GetRegistry()
	}
	return SweepSubject(r.GetRegistry(), r.GetEpoch())
}

// SweepSubject is the subject of one sweep's requests. Slots and registry ids hold no dot, star or space.
func SweepSubject(registry, slot string) string { return subjectSweep + registry + "." + slot }

// Consumer names the durable consumer of a registry's requests in a lane.
func Consumer(lane, registry string) string { return lane + "-" + registry }

// ConsumerSubject is what that consumer reads: no two of them overlap, as a work queue demands.
func ConsumerSubject(lane, registry string) string {
	if lane == LanePush {
		return subjectPush + registry
	}
	return subjectSweep + registry + ".>"
}

// DeadSubject is where dead letters of a registry are published.
func DeadSubject(registry string) string { return subjectDead + registry }

// ChangesSubject is where hints about a stream of the change log are published.
func ChangesSubject(stream string) string { return subjectChanges + stream }

// Key hashes the request's sorted targets (tag and digest): the same set gives the same key in any order.
func (r *ScanRequest) Key() string {
	all := make([]string, 0, len(r.GetTargets()))
	for _, t := range r.GetTargets() {
		all = append(all, t.GetTag()+"@"+t.GetDigest())
	}
	slices.Sort(all)
	sum := sha256.Sum256([]byte(r.GetRegistry() + "/" + r.GetRepository() + "\n" + strings.Join(all, "\n")))
	return hex.EncodeToString(sum[:16])
}

// MessageID is the JetStream de-duplication id: key and epoch, so that an intended repeat is not dropped.
func (r *ScanRequest) MessageID() string { return r.Key() + "/" + r.GetEpoch() }

// WorkflowID names the ScanImages run of r. The epoch is not part of it: two requests for the same set join one run.
func (r *ScanRequest) WorkflowID() string {
	return "scan/" + r.GetRegistry() + "/" + r.Key() + "/" + r.GetRecipe()
}
