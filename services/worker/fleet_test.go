package worker_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/balancer/ringhash"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"
	"google.golang.org/grpc/status"

	"github.com/plimsoll/plimsoll"
	workerv1 "github.com/plimsoll/plimsoll/proto/worker/v1"
	"github.com/plimsoll/plimsoll/services/internal/blob"
	"github.com/plimsoll/plimsoll/services/internal/imagetest"
	"github.com/plimsoll/plimsoll/services/worker"
)

// alone names the configuration that makes this test binary a worker, which a test can kill.
const alone = "PLIMSOLL_TEST_WORKER"

type aloneConfig struct {
	Bucket   blob.Config
	Registry string
}

// runAlone is the whole program of such a worker; its address is the first line of its output.
func runAlone(config string) int {
	var a aloneConfig
	if err := json.Unmarshal([]byte(config), &a); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	c := worker.DefaultConfig()
	c.Listen, c.Admin, c.Slots, c.Bucket = "127.0.0.1:0", "127.0.0.1:0", 3, a.Bucket
	c.Registries = []plimsoll.Registry{{ID: "test", URL: a.Registry}}
	c.Ready = func(a worker.Addresses) { fmt.Println(a.GRPC) }
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	if err := worker.Run(ctx, c); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// fleet is several workers in processes of their own, and a client that routes calls by digest as the scheduler does.
type fleet struct {
	client  workerv1.WorkerClient
	recipe  string
	workers map[string]*exec.Cmd // by the host under which each knows the registry
}

// newFleet gives each worker a door of its own to the registry, so that it can be told who asks.
func newFleet(t *testing.T, registry http.Handler, n int) *fleet {
	t.Helper()
	if err := made(); err != nil {
		t.Fatal(err)
	}
	f := &fleet{workers: map[string]*exec.Cmd{}}
	var state resolver.State
	for range n {
		door := httptest.NewServer(registry)
		t.Cleanup(door.Close)
		address := f.start(t, door.URL)
		state.Endpoints = append(state.Endpoints, resolver.Endpoint{Addresses: []resolver.Address{{Addr: address}}})
	}
	static := manual.NewBuilderWithScheme("fleet")
	static.InitialState(state)
	conn, err := grpc.NewClient("fleet:///workers", grpc.WithResolvers(static), grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultServiceConfig(`{"loadBalancingConfig": [{"`+ringhash.Name+`": {"requestHashHeader": "`+workerv1.HeaderDigest+`"}}]}`))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	f.client = workerv1.NewWorkerClient(conn)
	d, err := f.client.Describe(t.Context(), &workerv1.DescribeRequest{}, grpc.WaitForReady(true))
	if err != nil {
		t.Fatal(err)
	}
	f.recipe = d.GetRecipe()
	return f
}

func (f *fleet) start(t *testing.T, registry string) (address string) {
	t.Helper()
	config, err := json.Marshal(aloneConfig{bucket, registry})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), alone+"="+string(config))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	lines := bufio.NewScanner(out)
	if !lines.Scan() {
		t.Fatal("a worker ended before it served")
	}
	f.workers[strings.TrimPrefix(registry, "http://")] = cmd
	return lines.Text()
}

// analyze is one image's call for a layer, tried elsewhere when a worker goes, as the scheduler does.
func (f *fleet) analyze(ctx context.Context, repository string, l *workerv1.Layer) (err error) {
	for try := range 5 {
		key := l.GetDigest()
		if try > 0 {
			key = fmt.Sprintf("%s/%d", key, try)
		}
		if err = f.once(metadata.AppendToOutgoingContext(ctx, workerv1.HeaderDigest, key), repository, l); status.Code(err) != codes.Unavailable {
			return err
		}
	}
	return err
}

func (f *fleet) once(ctx context.Context, repository string, l *workerv1.Layer) error {
	stream, err := f.client.Analyze(ctx, &workerv1.AnalyzeRequest{Registry: "test", Repository: repository, Layer: l, Recipe: f.recipe})
	if err != nil {
		return err
	}
	for {
		m, err := stream.Recv()
		if err != nil {
			return err
		}
		if m.GetDone() {
			if m.GetState() != string(plimsoll.ReadComplete) {
				return fmt.Errorf("read %s: %s", m.GetState(), m.GetReason())
			}
			return nil
		}
	}
}

// TestOnceInTheFleet: a layer that a hundred images want at once is read once by several workers; when its reader is killed in
// the middle of it, once more.
func TestOnceInTheFleet(t *testing.T) {
	t.Parallel()
	const images = 100
	for name, kill := range map[string]bool{"all live": false, "the reader dies": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			reg := imagetest.NewRegistry(imagetest.RegistryOptions{})
			if err := reg.Start("127.0.0.1:0"); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(reg.Close)
			b := imagetest.Gzip(unique(t, imagetest.DebianLike("12", imagetest.Package{Name: "libc6", Version: "2.36-9"})...))
			if err := imagetest.Push(t.Context(), reg.Host(), "team/app", "1", image(t, b)); err != nil {
				t.Fatal(err)
			}
			l := &workerv1.Layer{Digest: b.Digest().String(), Size: int64(len(b.Bytes))}
			f := newFleet(t, reg, 3)
			reached, release := holdFirst(reg, l.GetDigest())
			var wg sync.WaitGroup
			errs := make(chan error, images)
			for range images {
				wg.Go(func() { errs <- f.analyze(t.Context(), "team/app", l) })
			}
			reader := <-reached
			if kill {
				if err := f.workers[reader].Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
			close(release)
			wg.Wait()
			close(errs)
			for err := range errs {
				if err != nil {
					t.Fatal(err)
				}
			}
			want := 1
			if kill {
				want = 2
			}
			if got := reg.Stats().Requests["GET blob"]; got != want {
				t.Errorf("the layer was asked for %d times, want %d", got, want)
			}
		})
	}
}

// holdFirst lets the first request for a blob through to its first byte and holds it there until release is closed. reached
// gives the host that was asked.
func holdFirst(reg *imagetest.Registry, digest string) (reached chan string, release chan struct{}) {
	reached, release = make(chan string, 1), make(chan struct{})
	var once sync.Once
	reg.Intercept(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, digest) {
				once.Do(func() {
					reached <- r.Host
					select {
					case <-release:
					case <-r.Context().Done():
					}
				})
			}
			next.ServeHTTP(w, r)
		})
	})
	return reached, release
}
