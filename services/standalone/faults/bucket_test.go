package faults

import (
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/plimsoll/plimsoll/services/standalone/faults/proxy"
)

// s3Error is the body of an S3 server's refusal.
func s3Error(code string) string {
	return `<?xml version="1.0" encoding="UTF-8"?><Error><Code>` + code + `</Code><Message>a fault</Message></Error>`
}

// bucketFails is F12: each kind of trouble, in bursts, while everything writes.
func bucketFails(t *testing.T, s *system) {
	slow := time.Duration(of(2, 30)) * time.Second
	kinds := []struct {
		name  string
		fault func(*proxy.Struck, int64) proxy.Fault
	}{
		{"503", func(n *proxy.Struck, budget int64) proxy.Fault {
			return proxy.AnswerWith(n, budget, anything, http.StatusServiceUnavailable, nil, s3Error("SlowDown"))
		}},
		{"500", func(n *proxy.Struck, budget int64) proxy.Fault {
			return proxy.AnswerWith(n, budget, anything, http.StatusInternalServerError, nil, s3Error("InternalError"))
		}},
		{"409", func(n *proxy.Struck, budget int64) proxy.Fault {
			return proxy.AnswerWith(n, budget, isWrite, http.StatusConflict, nil, s3Error("ConditionalRequestConflict"))
		}},
		{"an answer lost after the write", func(n *proxy.Struck, budget int64) proxy.Fault {
			return proxy.LoseAnswer(n, budget, isWrite)
		}},
		{"a connection reset", func(n *proxy.Struck, budget int64) proxy.Fault { return proxy.Drop(n, budget, anything) }},
		{"slow", func(n *proxy.Struck, budget int64) proxy.Fault { return proxy.Slow(n, min(budget, 3), isWrite, slow) }},
	}
	parts := append(append(s.workers[:len(s.workers):len(s.workers)], s.schedulers...), s.reporters...)
	s.underLoad(t, func() {
		for _, k := range kinds {
			var n proxy.Struck
			bendBuckets(parts, k.fault(&n, int64(2+s.chance(6))))
			s.push(t, corp, "bucket/app", fmt.Sprint(s.count()), s.newImage(t, 4<<10))
			eventually(t, "the bucket's "+k.name+" strikes", func() error {
				if n.Count() == 0 {
					return fmt.Errorf("not yet")
				}
				return nil
			})
			bendBuckets(parts, nil)
		}
	})
	conflicts := 0
	for _, p := range parts {
		conflicts += p.bucket.Tally().Answers[http.StatusPreconditionFailed]
	}
	t.Logf("the bucket itself said 412 %d times: writes whose first answer was lost", conflicts)
}

// bucketRefuses is F13: for a while nothing can be written, then nothing can be read either. What is known stays shown.
func bucketRefuses(t *testing.T, s *system) {
	s.acquaint(t)
	parts := append(append(s.workers[:len(s.workers):len(s.workers)], s.schedulers...), s.reporters...)
	known, err := s.scanned(t.Context(), s.reporter(), edge)
	if err != nil {
		t.Fatal(err)
	}
	lasts := time.Duration(of(3, 20)) * time.Second
	for _, k := range []struct {
		name, code string
		status     int
		match      proxy.Match
	}{
		{"full", "XMinioStorageFull", http.StatusInsufficientStorage, isWrite},
		{"credentials refused", "InvalidAccessKeyId", http.StatusForbidden, anything},
	} {
		var n proxy.Struck
		bendBuckets(parts, proxy.AnswerWith(&n, -1, k.match, k.status, nil, s3Error(k.code)))
		tag := fmt.Sprint(s.count())
		m := s.newImage(t, 4<<10)
		s.put(t, corp, "bucket/refused", tag, m)
		_, _ = s.hook(t.Context(), s.scheduler(), corp, pushEvent("bucket/refused", tag, m.digest))
		outage := time.NewTimer(lasts)
		<-outage.C // how long it lasts is the fault
		if n.Count() == 0 {
			t.Errorf("bucket %s: nothing was refused", k.name)
		}
		got, err := s.scanned(t.Context(), s.reporter(), edge)
		if err != nil && k.status != http.StatusForbidden { // the document is made of inventories, which cannot be read now
			t.Errorf("bucket %s: the reporter says nothing: %v", k.name, err)
		}
		for name, im := range known {
			if now, ok := got[name]; err == nil && (!ok || im.complete() && !now.complete()) {
				t.Errorf("bucket %s: %s lost its verdict", k.name, name)
			}
		}
		bendBuckets(parts, nil)
		s.announce(t, corp, "bucket/refused", tag, m)
		s.settle(t)
	}
}

// factsLost is F14: the facts of one layer vanish from the bucket. An image that needs them has that layer read again and no
// other.
func factsLost(t *testing.T, s *system) {
	s.settle(t)
	first := s.newImage(t, 16<<10)
	s.push(t, corp, "lost/first", fmt.Sprint(s.count()), first)
	s.settle(t)
	lost := 0
	hex := strings.TrimPrefix(first.own, "sha256:")
	err := filepath.WalkDir(s.s3.data, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && d.Name() == hex && strings.Contains(path, "/facts/") {
			lost++
			return os.Remove(path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if lost == 0 {
		t.Fatalf("no facts of %s under %s: the fault does not strike", first.own, s.s3.data)
	}
	// Workers take facts that they saw for granted for ten minutes; one that starts does not.
	for _, w := range s.workers {
		s.kill(t, w)
		s.start(t, w)
	}
	// The same layers under another configuration: another image, of which nothing needs to be read but what was lost.
	second := relabelled(t, first)
	read, others := s.readsOf(first.own), s.layerBytes(s.layers)
	s.push(t, corp, "lost/second", fmt.Sprint(s.count()), second)
	s.settle(t)
	if again := s.readsOf(first.own) - read; again != 1 {
		t.Errorf("the layer whose facts were lost was asked for %d times, want once", again)
	}
	if bytes := s.layerBytes(s.layers) - others; bytes > first.size {
		t.Errorf("%d bytes of layers were read, want those %d of the layer whose facts were lost", bytes, first.size)
	}
	s.allow(first.size)
}
