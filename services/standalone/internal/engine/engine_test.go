package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/minio/minio-go/v7"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
)

// TestStartStop runs engines in this process: twice in a row works, twice at once does not, and nothing is left behind.
func TestStartStop(t *testing.T) {
	home, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	data := t.TempDir()
	for _, transient := range []bool{false, false, true} {
		begin := time.Now()
		e, err := Start(t.Context(), Options{Data: data, Transient: transient, Log: testLog(t)})
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("started in %v", time.Since(begin))
		if e.NATS.Memory != transient {
			t.Errorf("NATS.Memory = %v, want %v", e.NATS.Memory, transient)
		}
		if _, err := Start(t.Context(), Options{Data: t.TempDir(), Transient: true, Log: testLog(t)}); !errors.Is(err, ErrRunning) {
			t.Errorf("second start in the process: got %v, want ErrRunning", err)
		}
		begin = time.Now()
		if err := e.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		t.Logf("stopped in %v", time.Since(begin))
		if err := e.Stop(t.Context()); err != nil {
			t.Errorf("second stop: %v", err)
		}
		if now, err := os.Getwd(); err != nil || now != home {
			t.Errorf("working directory after stop = %s, %v, want %s", now, err, home)
		}
	}
}

func TestStopSaysWhatDidNotEnd(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("out of time"))
	release := make(chan struct{})
	defer close(release)
	below := false
	err := stopAll(ctx, []stopFunc{
		func(context.Context) error { below = true; return nil },
		func(ctx context.Context) error { return wait(ctx, "temporal", func() { <-release }) },
	})
	if err == nil || !strings.Contains(err.Error(), "stop temporal: still running: out of time") {
		t.Errorf("got %v, want the name of the engine and the cause", err)
	}
	if below {
		t.Error("the locks were released under a running engine")
	}
}

// waiting is a workflow that is in the middle of its work when the engines go away.
func waiting(ctx workflow.Context) (string, error) {
	var got string
	workflow.GetSignalChannel(ctx, "go on").Receive(ctx, &got)
	return got, nil
}

// TestResume checks that streams, workflows and objects are there after a restart, be it orderly or not.
func TestResume(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*child, *testing.T){
		"after stop": (*child).stop,
		"after kill": (*child).kill,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			data := filepath.Join(t.TempDir(), "data?100%#") // characters that a database URI could take for its own
			ctx := testContext(t)
			for round := range 3 {
				c := startChild(t, childOptions{Data: data})
				if round == 0 {
					leaveWork(ctx, t, c.Engines)
				} else {
					findWork(ctx, t, c.Engines, round == 2)
				}
				end(c, t)
			}
		})
	}
}

func leaveWork(ctx context.Context, t *testing.T, e *Engines) {
	t.Helper()
	js := dialNATS(t, e.NATS)
	if _, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: "work", Subjects: []string{"work"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := js.Publish(ctx, "work", []byte("message")); err != nil {
		t.Fatal(err)
	}
	if _, err := dialTemporal(t, e.Temporal).ExecuteWorkflow(ctx, client.StartWorkflowOptions{ID: "waiting", TaskQueue: "resume"}, waiting); err != nil {
		t.Fatal(err)
	}
	if _, err := put(ctx, dialS3(t, e.S3), e.S3.Bucket, "facts/a", "object", minio.PutObjectOptions{UserMetadata: map[string]string{"sha": "1"}}); err != nil {
		t.Fatal(err)
	}
}

func findWork(ctx context.Context, t *testing.T, e *Engines, finish bool) {
	t.Helper()
	stream, err := dialNATS(t, e.NATS).Stream(ctx, "work")
	if err != nil {
		t.Fatal(err)
	}
	msg, err := stream.GetMsg(ctx, 1)
	if err != nil {
		t.Fatal(err)
	}
	obj, info, err := get(ctx, dialS3(t, e.S3), e.S3.Bucket, "facts/a")
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{"message": string(msg.Data), "object": obj, "sha": info.UserMetadata["Sha"]}
	want := map[string]string{"message": "message", "object": "object", "sha": "1"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("after restart (-want +got):\n%s", diff)
	}
	if !finish {
		return
	}
	c := dialTemporal(t, e.Temporal)
	w := worker.New(c, "resume", worker.Options{})
	w.RegisterWorkflow(waiting)
	if err := w.Start(); err != nil {
		t.Fatal(err)
	}
	defer w.Stop()
	if err := c.SignalWorkflow(ctx, "waiting", "", "go on", "result"); err != nil {
		t.Fatal(err)
	}
	var result string
	if err := c.GetWorkflow(ctx, "waiting", "").Get(ctx, &result); err != nil || result != "result" {
		t.Errorf("workflow ended with %q, %v, want %q", result, err, "result")
	}
}

// TestKillUnderLoad kills the engines while workflows run: the database must be whole, and each workflow whose start was
// acknowledged must end after a restart.
func TestKillUnderLoad(t *testing.T) {
	t.Parallel()
	const workflows, beforeKill = 60, 15
	data, ctx := t.TempDir(), testContext(t)
	c := startChild(t, childOptions{Data: data})
	tc := dialTemporal(t, c.Temporal)
	for i := range workflows {
		o := client.StartWorkflowOptions{ID: fmt.Sprint("load-", i), TaskQueue: "trivial"}
		if _, err := tc.ExecuteWorkflow(ctx, o, trivialWorkflow, queuedStep); err != nil {
			t.Fatal(err)
		}
	}
	w := startWorker(t, tc)
	for i := range beforeKill {
		if err := tc.GetWorkflow(ctx, fmt.Sprint("load-", i), "").Get(ctx, nil); err != nil {
			t.Fatal(err)
		}
	}
	c.kill(t)
	w.Stop()

	for _, name := range []string{"temporal.db", "visibility.db"} {
		if got := querySQL(t, filepath.Join(data, "temporal", name), `PRAGMA integrity_check`); got != "ok" {
			t.Errorf("%s after the kill: %s", name, got)
		}
	}
	c = startChild(t, childOptions{Data: data})
	tc = dialTemporal(t, c.Temporal)
	defer startWorker(t, tc).Stop()
	for i := range workflows {
		if err := tc.GetWorkflow(ctx, fmt.Sprint("load-", i), "").Get(ctx, nil); err != nil {
			t.Errorf("workflow %d after the restart: %v", i, err)
		}
	}
}

// TestSharing checks who may use a data folder beside whom.
func TestSharing(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	up := startChild(t, childOptions{Data: data})
	scan := startChild(t, childOptions{Data: data, Transient: true})
	scan2 := startChild(t, childOptions{Data: data, Transient: true})

	b, err := childCommand(t, childOptions{Data: data}).CombinedOutput()
	want := "data folder " + data + " is in use by another plimsoll (pid "
	if err == nil || !strings.Contains(string(b), want) || !strings.Contains(string(b), "stop it or give --data another folder") {
		t.Errorf("second up: got %v, %s\nwant an error with %q", err, b, want)
	}

	ctx := testContext(t)
	if _, err := put(ctx, dialS3(t, scan.S3), scan.S3.Bucket, "facts/shared", "x", minio.PutObjectOptions{}); err != nil {
		t.Fatal(err)
	}
	if got, _, err := get(ctx, dialS3(t, up.S3), up.S3.Bucket, "facts/shared"); err != nil || got != "x" {
		t.Errorf("what a scan wrote reads as %q, %v for the up beside it", got, err)
	}
	scan.stop(t)
	scan2.kill(t)
	up.kill(t)
	startChild(t, childOptions{Data: data}).stop(t) // a killed holder holds nothing
}

func TestCredentials(t *testing.T) {
	t.Parallel()
	c := startChild(t, childOptions{Data: t.TempDir(), Transient: true})
	ctx := testContext(t)
	if nc, err := nats.Connect(c.NATS.URL); err == nil {
		nc.Close()
		t.Error("nats let a client in without credentials")
	}
	wrong := c.S3
	wrong.SecretKey += "x"
	_, _, err := get(ctx, dialS3(t, wrong), wrong.Bucket, "facts/a")
	if code := minio.ToErrorResponse(err).Code; code != "SignatureDoesNotMatch" {
		t.Errorf("s3 with a wrong secret: got %v (%s)", err, code)
	}
	for _, address := range []string{c.S3.Endpoint, c.Temporal.Address, strings.TrimPrefix(c.NATS.URL, "nats://")} {
		if !strings.HasPrefix(address, "127.0.0.1:") {
			t.Errorf("%s is not on loopback", address)
		}
	}
	c.stop(t)
}

func put(ctx context.Context, c *minio.Client, bucket, key, content string, o minio.PutObjectOptions) (minio.UploadInfo, error) {
	return c.PutObject(ctx, bucket, key, strings.NewReader(content), int64(len(content)), o)
}

func get(ctx context.Context, c *minio.Client, bucket, key string) (string, minio.ObjectInfo, error) {
	obj, err := c.GetObject(ctx, bucket, key, minio.GetObjectOptions{})
	if err != nil {
		return "", minio.ObjectInfo{}, err
	}
	defer obj.Close()
	var b bytes.Buffer
	if _, err := io.Copy(&b, obj); err != nil {
		return "", minio.ObjectInfo{}, err
	}
	info, err := obj.Stat()
	return b.String(), info, err
}
