package scanv1

import (
	"slices"
	"strings"
	"testing"
)

func request(targets ...*Target) *ScanRequest {
	return &ScanRequest{Lane: Lane_LANE_SWEEP, Registry: "corp", Repository: "shop/web", Epoch: "20261125T010000Z", Recipe: "0123456789abcdef", Targets: targets}
}

// TestKey: the same set has the same key in any order; the epoch makes an intended repeat another message and the same run.
func TestKey(t *testing.T) {
	t.Parallel()
	a, b := &Target{Tag: "1.0", Digest: "sha256:aa"}, &Target{Tag: "1.1", Digest: "sha256:bb"}
	one, other := request(a, b), request(b, a)
	if one.Key() != other.Key() {
		t.Error("the order of targets changes the key")
	}
	if !slices.Equal(one.Targets, []*Target{a, b}) {
		t.Error("Key reorders the request")
	}
	repeat := request(a, b)
	repeat.Epoch = "20261126T010000Z"
	if repeat.MessageID() == one.MessageID() || repeat.WorkflowID() != one.WorkflowID() {
		t.Error("another epoch must be another message and the same workflow")
	}
	for name, changed := range map[string]*ScanRequest{
		"digest": request(&Target{Tag: "1.0", Digest: "sha256:ab"}, b), "tag": request(&Target{Tag: "1.2", Digest: "sha256:aa"}, b), "fewer": request(a),
	} {
		if changed.Key() == one.Key() {
			t.Errorf("another %s has the same key", name)
		}
	}
	elsewhere := request(a, b)
	elsewhere.Repository = "shop/api"
	if elsewhere.Key() == one.Key() {
		t.Error("another repository has the same key")
	}
}

func TestSubjects(t *testing.T) {
	t.Parallel()
	push := request()
	push.Lane = Lane_LANE_PUSH
	for got, prefix := range map[string]string{
		push.Subject(): SubjectsPush, request().Subject(): SubjectsSweep, DeadSubject("corp"): SubjectsDead, ChangesSubject("advisories"): SubjectsChanges,
	} {
		if !strings.HasPrefix(got, strings.TrimSuffix(prefix, ">")) || strings.ContainsAny(got, " *>") {
			t.Errorf("subject %q does not stand under %q", got, prefix)
		}
	}
	if got, want := request().Subject(), SweepSubject("corp", "20261125T010000Z"); got != want {
		t.Errorf("a sweep's request is published at %q, counted at %q", got, want)
	}
}
