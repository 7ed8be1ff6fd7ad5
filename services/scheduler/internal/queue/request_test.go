package queue

import (
	"errors"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/plimsoll/plimsoll"
	scanv1 "github.com/plimsoll/plimsoll/proto/scan/v1"
)

func TestDecode(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		change  func(r *scanv1.ScanRequest)
		subject string // default: the request's own
		ok      bool
	}{
		{name: "a push", change: func(*scanv1.ScanRequest) {}, ok: true},
		{name: "a tag alone", change: func(r *scanv1.ScanRequest) { r.Targets[0].Digest = "" }, ok: true},
		{name: "a digest alone", change: func(r *scanv1.ScanRequest) { r.Targets[0].Tag = "" }, ok: true},
		{name: "neither", change: func(r *scanv1.ScanRequest) { r.Targets[0] = &scanv1.Target{} }},
		{name: "no target", change: func(r *scanv1.ScanRequest) { r.Targets = nil }},
		{name: "no lane", change: func(r *scanv1.ScanRequest) { r.Lane = 0 }},
		{name: "unknown lane", change: func(r *scanv1.ScanRequest) { r.Lane = 9 }},
		{name: "registry with a dot", change: func(r *scanv1.ScanRequest) { r.Registry = "a.b" }},
		{name: "registry with a path", change: func(r *scanv1.ScanRequest) { r.Registry = "../a" }},
		{name: "repository with a path", change: func(r *scanv1.ScanRequest) { r.Repository = "../etc" }},
		{name: "upper-case repository", change: func(r *scanv1.ScanRequest) { r.Repository = "Team/app" }},
		{name: "tag with a slash", change: func(r *scanv1.ScanRequest) { r.Targets[0].Tag = "a/b" }},
		{name: "another algorithm", change: func(r *scanv1.ScanRequest) { r.Targets[0].Digest = "sha512:" + strings.Repeat("a", 128) }},
		{name: "recipe with a slash", change: func(r *scanv1.ScanRequest) { r.Recipe = "a/b" }},
		{name: "too large", change: func(r *scanv1.ScanRequest) { r.Actor = strings.Repeat("a", scanv1.MaxRequestBytes) }},
		{name: "another registry's subject", change: func(*scanv1.ScanRequest) {}, subject: "plimsoll.scan.push.other"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r := push("v1")
			test.change(r)
			b, err := proto.Marshal(r)
			if err != nil {
				t.Fatal(err)
			}
			subject := test.subject
			if subject == "" {
				subject = r.Subject()
			}
			got, err := decode(subject, b)
			switch {
			case test.ok && (err != nil || !proto.Equal(got, r)):
				t.Errorf("decode = %v, %v, want %v", got, err, r)
			case !test.ok && !errors.Is(err, plimsoll.ErrInvalid):
				t.Errorf("decode = %v, %v, want ErrInvalid", got, err)
			}
		})
	}
}

func FuzzDecode(f *testing.F) {
	for _, r := range []*scanv1.ScanRequest{push("v1"), swept("v1", "20261125T010000Z"), {}} {
		b, err := proto.Marshal(r)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(r.Subject(), b)
	}
	f.Add("plimsoll.scan.push.prod", []byte("\xff\xff"))
	f.Fuzz(func(t *testing.T, subject string, b []byte) {
		r, err := decode(subject, b)
		if err != nil {
			return
		}
		if r.Subject() != subject || strings.ContainsAny(r.WorkflowID(), " \n") || plimsoll.CheckRepository(r.GetRepository()) != nil {
			t.Errorf("decode let %v through", r)
		}
	})
}
