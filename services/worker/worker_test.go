package worker_test

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net/http"
	"os"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/plimsoll/plimsoll"
	workerv1 "github.com/plimsoll/plimsoll/proto/worker/v1"
	"github.com/plimsoll/plimsoll/services/internal/blob"
	"github.com/plimsoll/plimsoll/services/internal/blob/blobtest"
	"github.com/plimsoll/plimsoll/services/internal/imagetest"
	"github.com/plimsoll/plimsoll/services/worker"
)

var bucket blob.Config

func TestMain(m *testing.M) {
	if worker.IsChild() {
		os.Exit(worker.Child())
	}
	if config := os.Getenv(alone); config != "" {
		os.Exit(runAlone(config))
	}
	os.Exit(blobtest.Main(m, &bucket))
}

// made opens the bucket once, which makes it, before workers open it at the same time.
var made = sync.OnceValue(func() error {
	_, err := blob.Open(context.Background(), bucket)
	return err
})

// stage is a registry, a bucket and a worker, all real and speaking TCP.
type stage struct {
	registry *imagetest.Registry
	blobs    *blob.Store
	client   workerv1.WorkerClient
	conn     *grpc.ClientConn
	recipe   string
}

func newStage(t *testing.T, change func(*worker.Config)) *stage {
	t.Helper()
	if err := made(); err != nil {
		t.Fatal(err)
	}
	reg := imagetest.NewRegistry(imagetest.RegistryOptions{})
	if err := reg.Start("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(reg.Close)
	s := &stage{registry: reg}
	s.run(t, change)
	return s
}

// run starts a worker for the stage's registry and bucket.
func (s *stage) run(t *testing.T, change func(*worker.Config)) {
	t.Helper()
	c := worker.DefaultConfig()
	c.Listen, c.Admin, c.Slots, c.Bucket = "127.0.0.1:0", "127.0.0.1:0", 3, bucket
	c.Registries = []plimsoll.Registry{{ID: "test", URL: s.registry.URL()}}
	if change != nil {
		change(&c)
	}
	ready := make(chan worker.Addresses, 1)
	c.Ready = func(a worker.Addresses) { ready <- a }
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- worker.Run(ctx, c) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("worker ended with %v", err)
		}
	})
	select {
	case a := <-ready:
		conn, err := grpc.NewClient(a.GRPC, grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		s.conn, s.client = conn, workerv1.NewWorkerClient(conn)
	case err := <-ended:
		ended <- nil
		t.Fatalf("worker did not start: %v", err)
	}
	var err error
	if s.blobs, err = blob.Open(ctx, c.Bucket); err != nil {
		t.Fatal(err)
	}
	d, err := s.client.Describe(ctx, &workerv1.DescribeRequest{})
	if err != nil {
		t.Fatal(err)
	}
	s.recipe = d.GetRecipe()
}

func (s *stage) push(t *testing.T, repository, tag string, what partial.WithRawManifest) {
	t.Helper()
	if err := imagetest.Push(t.Context(), s.registry.Host(), repository, tag, what); err != nil {
		t.Fatal(err)
	}
}

func (s *stage) resolve(t *testing.T, repository, tag string) *workerv1.ResolveResponse {
	t.Helper()
	r, err := s.client.Resolve(t.Context(), &workerv1.ResolveRequest{Registry: "test", Repository: repository, Tag: tag})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// analyze returns the last message of a call, or its error.
func (s *stage) analyze(ctx context.Context, repository string, l *workerv1.Layer) (*workerv1.AnalyzeResponse, error) {
	stream, err := s.client.Analyze(ctx, &workerv1.AnalyzeRequest{Registry: "test", Repository: repository, Layer: l, Recipe: s.recipe})
	if err != nil {
		return nil, err
	}
	var last *workerv1.AnalyzeResponse
	for {
		m, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return last, nil
		}
		if err != nil {
			return nil, err
		}
		last = m
	}
}

// scan takes a reference the whole way and returns the inventories of its images.
func (s *stage) scan(t *testing.T, repository, tag string) (out []plimsoll.Inventory) {
	t.Helper()
	r := s.resolve(t, repository, tag)
	for _, l := range r.GetMissing() {
		if m, err := s.analyze(t.Context(), repository, l); err != nil || !m.GetDone() {
			t.Fatalf("Analyze(%s) = %v, %v", l.GetDigest(), m, err)
		}
	}
	for _, i := range r.GetImages() {
		if i.GetNotApplicable() != "" || i.GetFailed() != "" {
			continue
		}
		a, err := s.client.Assemble(t.Context(), &workerv1.AssembleRequest{Image: i.GetDigest(), Recipe: s.recipe})
		if err != nil {
			t.Fatal(err)
		}
		inv, err := blob.ReadJSON[plimsoll.Inventory](t.Context(), s.blobs, a.GetKey())
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, inv)
	}
	return out
}

func image(t *testing.T, layers ...imagetest.Blob) v1.Image {
	t.Helper()
	return imagetest.Must(imagetest.Image(imagetest.Options{Layers: layers, Labels: map[string]string{"org.example.test": t.Name()}}))
}

// unique makes a layer that no other test or run has, so that those sharing the bucket do not share its facts.
func unique(t *testing.T, files ...imagetest.File) []byte {
	t.Helper()
	return imagetest.Layer(append(files, imagetest.Text("unique", rand.Text()))...)
}

func names(ps []plimsoll.Package) (out []string) {
	for _, p := range ps {
		out = append(out, p.Ecosystem+" "+p.Name+" "+p.Version)
	}
	return out
}

func TestChain(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	base := imagetest.Gzip(unique(t, imagetest.AlpineLike("3.20.3",
		imagetest.Package{Name: "musl", Version: "1.2.5-r0"}, imagetest.Package{Name: "libcrypto3", Version: "3.3.2-r0", Source: "openssl"})...))
	runtime := imagetest.Zstd(unique(t, imagetest.AlpineLike("3.20.3",
		imagetest.Package{Name: "musl", Version: "1.2.5-r0"}, imagetest.Package{Name: "libcrypto3", Version: "3.3.2-r1", Source: "openssl"},
		imagetest.Package{Name: "nodejs", Version: "20.15.1-r0"})...))
	app := imagetest.Plain(unique(t, imagetest.NodeApp("shop", imagetest.Package{Name: "lodash", Version: "4.17.15"}, imagetest.Package{Name: "@a/b", Version: "1.0.0"})...))
	s.push(t, "team/shop", "1.0", image(t, base, runtime, app))

	invs := s.scan(t, "team/shop", "1.0")
	if len(invs) != 1 {
		t.Fatalf("got %d inventories, want 1", len(invs))
	}
	inv := invs[0]
	want := []plimsoll.Package{
		{Name: "libcrypto3", Version: "3.3.2-r1", Source: "openssl", Architecture: "x86_64", Ecosystem: "Alpine:v3.20", Layer: 1,
			PURL: "pkg:apk/alpine/libcrypto3@3.3.2-r1?arch=x86_64&distro=3.20.3&origin=openssl", Path: "lib/apk/db/installed", Extractor: "os/apk"},
		{Name: "musl", Version: "1.2.5-r0", Architecture: "x86_64", Ecosystem: "Alpine:v3.20", Layer: 0,
			PURL: "pkg:apk/alpine/musl@1.2.5-r0?arch=x86_64&distro=3.20.3", Path: "lib/apk/db/installed", Extractor: "os/apk"},
		{Name: "nodejs", Version: "20.15.1-r0", Architecture: "x86_64", Ecosystem: "Alpine:v3.20", Layer: 1,
			PURL: "pkg:apk/alpine/nodejs@20.15.1-r0?arch=x86_64&distro=3.20.3", Path: "lib/apk/db/installed", Extractor: "os/apk"},
		{Name: "@a/b", Version: "1.0.0", Ecosystem: "npm", Layer: 2, PURL: "pkg:npm/%40a/b@1.0.0",
			Path: "app/node_modules/@a/b/package.json", Extractor: "javascript/packagejson"},
		{Name: "lodash", Version: "4.17.15", Ecosystem: "npm", Layer: 2, PURL: "pkg:npm/lodash@4.17.15",
			Path: "app/node_modules/lodash/package.json", Extractor: "javascript/packagejson"},
	}
	if diff := cmp.Diff(want, inv.Packages); diff != "" {
		t.Errorf("packages (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"Alpine:v3.20 libcrypto3 3.3.2-r0"}, names(inv.Hidden)); diff != "" {
		t.Errorf("hidden (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"Alpine:v3.20", "npm"}, inv.Ecosystems); diff != "" {
		t.Errorf("ecosystems (-want +got):\n%s", diff)
	}
	for name, c := range inv.Read {
		if c.Short() {
			t.Errorf("read[%s] = %v, want complete", name, c)
		}
	}
	for i, b := range []imagetest.Blob{base, runtime, app} {
		if got := string(inv.Layers[i].DiffID); got != b.DiffID.String() {
			t.Errorf("diff ID of layer %d = %s, want %s", i, got, b.DiffID)
		}
	}
}

func TestSecondScanReadsNothing(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	shared := imagetest.Gzip(unique(t, imagetest.AlpineLike("3.20.3", imagetest.Package{Name: "musl", Version: "1.2.5-r0"})...))
	s.push(t, "a", "1", image(t, shared))
	s.scan(t, "a", "1")
	s.registry.ResetStats()

	r := s.resolve(t, "a", "1")
	if len(r.GetMissing()) != 0 || !r.GetImages()[0].GetAssembled() {
		t.Errorf("second Resolve = %v, want no missing layers and the image assembled", r)
	}
	if got := s.registry.Stats(); got.BlobBytes() != 0 || got.Total() != 1 {
		t.Errorf("second Resolve made %d requests and read %d blob bytes, want 1 and 0", got.Total(), got.BlobBytes())
	}
	m, err := s.analyze(t.Context(), "a", &workerv1.Layer{Digest: shared.Digest().String(), Size: int64(len(shared.Bytes))})
	if err != nil || !m.GetReused() || m.GetReadBytes() != 0 {
		t.Errorf("Analyze of a known layer = %v, %v; want reused without bytes", m, err)
	}
	// Another image on the same base needs its own layer only.
	s.push(t, "b", "1", image(t, shared, imagetest.Gzip(unique(t, imagetest.Text("b", "b")))))
	if got := len(s.resolve(t, "b", "1").GetMissing()); got != 1 {
		t.Errorf("an image on a known base lacks %d layers, want 1", got)
	}
}

func TestIndexWithAttestation(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	layer := imagetest.Gzip(unique(t, imagetest.DebianLike("12", imagetest.Package{Name: "zlib1g", Version: "1:1.2.13.dfsg-1", Source: "zlib"})...))
	amd := imagetest.Must(imagetest.Image(imagetest.Options{Layers: []imagetest.Blob{layer}}))
	arm := imagetest.Must(imagetest.Image(imagetest.Options{Layers: []imagetest.Blob{layer}, Platform: v1.Platform{OS: "linux", Architecture: "arm64", Variant: "v8"}}))
	index := imagetest.Must(imagetest.Index(imagetest.Child{Image: amd}, imagetest.Child{Image: arm},
		imagetest.Must(imagetest.Attestation(imagetest.Must(amd.Digest())))))
	s.push(t, "multi", "1", index)

	r := s.resolve(t, "multi", "1")
	var got []string
	for _, i := range r.GetImages() {
		got = append(got, i.GetPlatform()+"|"+i.GetNotApplicable()+"|"+i.GetFailed())
	}
	slices.Sort(got)
	want := []string{"linux/amd64||", "linux/arm64/v8||", "unknown/unknown|attestation|"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("images (-want +got):\n%s", diff)
	}
	if len(r.GetMissing()) != 1 {
		t.Errorf("%d layers are missing, want the shared one once", len(r.GetMissing()))
	}
	for _, inv := range s.scan(t, "multi", "1") {
		if diff := cmp.Diff([]string{"Debian:12 zlib1g 1:1.2.13.dfsg-1"}, names(inv.Packages)); diff != "" {
			t.Errorf("packages of %s (-want +got):\n%s", inv.Platform, diff)
		}
	}
}

func TestNoImages(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	tests := []struct{ tag, configType, artifactType, layerType, want string }{
		{"chart", "application/vnd.cncf.helm.config.v1+json", "", "application/vnd.cncf.helm.chart.content.v1.tar+gzip", "Helm chart"},
		{"signature", "application/vnd.oci.image.config.v1+json", "", "application/vnd.dev.cosign.simplesigning.v1+json", "signature"},
		{"sbom", "application/vnd.oci.empty.v1+json", "application/spdx+json", "application/spdx+json", "SBOM: application/spdx+json"},
		{"wasm", "application/vnd.wasm.config.v1+json", "", "application/wasm", "WebAssembly module"},
		{"other", "application/vnd.example.thing", "", "application/octet-stream", "artifact: application/vnd.example.thing"},
	}
	for _, tt := range tests {
		s.push(t, "artifacts", tt.tag, imagetest.Must(imagetest.Artifact(tt.configType, tt.artifactType, tt.layerType, []byte(tt.tag))))
		r := s.resolve(t, "artifacts", tt.tag)
		if r.GetNotApplicable() != tt.want || len(r.GetImages()) != 0 || len(r.GetMissing()) != 0 {
			t.Errorf("Resolve(%s) = %v, want not applicable: %s", tt.tag, r, tt.want)
		}
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	layer := &workerv1.Layer{Digest: "sha256:" + "00000000000000000000000000000000000000000000000000000000000000ff", Size: 4}
	tests := map[string]struct {
		call func(context.Context) error
		want codes.Code
	}{
		"tag is gone": {func(ctx context.Context) error {
			_, err := s.client.Resolve(ctx, &workerv1.ResolveRequest{Registry: "test", Repository: "none", Tag: "1"})
			return err
		}, codes.NotFound},
		"unknown registry": {func(ctx context.Context) error {
			_, err := s.client.Resolve(ctx, &workerv1.ResolveRequest{Registry: "other", Repository: "none", Tag: "1"})
			return err
		}, codes.InvalidArgument},
		"name of the wrong form": {func(ctx context.Context) error {
			_, err := s.client.Resolve(ctx, &workerv1.ResolveRequest{Registry: "test", Repository: "../x", Tag: "1"})
			return err
		}, codes.InvalidArgument},
		"digest of the wrong form": {func(ctx context.Context) error {
			_, err := s.client.Resolve(ctx, &workerv1.ResolveRequest{Registry: "test", Repository: "x", Digest: "md5:00"})
			return err
		}, codes.InvalidArgument},
		"blob is gone": {func(ctx context.Context) error { _, err := s.analyze(ctx, "none", layer); return err }, codes.NotFound},
		"recipe of another worker": {func(ctx context.Context) error {
			_, err := s.client.Assemble(ctx, &workerv1.AssembleRequest{Image: layer.GetDigest(), Recipe: "other"})
			return err
		}, codes.FailedPrecondition},
		"image was not resolved": {func(ctx context.Context) error {
			_, err := s.client.Assemble(ctx, &workerv1.AssembleRequest{Image: layer.GetDigest(), Recipe: s.recipe})
			return err
		}, codes.NotFound},
	}
	for name, tt := range tests {
		if got := status.Code(tt.call(t.Context())); got != tt.want {
			t.Errorf("%s: code %v, want %v", name, got, tt.want)
		}
	}
}

func TestDamagedLayerIsQuarantined(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	good := imagetest.Gzip(unique(t, imagetest.AlpineLike("3.20.3", imagetest.Package{Name: "musl", Version: "1.2.5-r0"})...))
	bad := imagetest.Gzip(unique(t, imagetest.Text("app", "x")))
	s.push(t, "damaged", "1", image(t, good, bad))
	r := s.resolve(t, "damaged", "1")
	s.registry.Intercept(flip(bad.Digest().String()))

	l := &workerv1.Layer{Digest: bad.Digest().String(), Size: int64(len(bad.Bytes))}
	for try := 1; try < plimsoll.MaxAttempts; try++ {
		if _, err := s.analyze(t.Context(), "damaged", l); status.Code(err) != codes.DataLoss {
			t.Fatalf("try %d: %v, want DataLoss", try, err)
		}
	}
	const reason = "quarantine: the registry's copy of the layer is damaged"
	for range 2 {
		m, err := s.analyze(t.Context(), "damaged", l)
		if err != nil || m.GetState() != string(plimsoll.ReadFailed) || m.GetReason() != reason {
			t.Fatalf("after the last try: %v, %v; want failed, %s", m, err, reason)
		}
	}
	if _, err := s.analyze(t.Context(), "damaged", &workerv1.Layer{Digest: good.Digest().String(), Size: int64(len(good.Bytes))}); err != nil {
		t.Fatal(err)
	}
	a, err := s.client.Assemble(t.Context(), &workerv1.AssembleRequest{Image: r.GetImages()[0].GetDigest(), Recipe: s.recipe})
	if err != nil {
		t.Fatal(err)
	}
	got := a.GetRead()[plimsoll.AnalyzerPackages]
	if !a.GetPartial() || got.GetState() != string(plimsoll.ReadPartial) || got.GetReason() != reason {
		t.Errorf("Assemble = %v, want a partial inventory because of the quarantine", a)
	}
}

// flip changes the first byte of one blob.
func flip(digest string) imagetest.Fault {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			if imagetest.IsBlob(req) && req.Method == http.MethodGet && req.URL.Path[len(req.URL.Path)-len(digest):] == digest {
				w = &flipper{ResponseWriter: w}
			}
			next.ServeHTTP(w, req)
		})
	}
}

type flipper struct {
	http.ResponseWriter
	done bool
}

func (f *flipper) Write(b []byte) (int, error) {
	if !f.done && len(b) > 0 {
		f.done = true
		b = slices.Clone(b)
		b[0] ^= 0xff
	}
	return f.ResponseWriter.Write(b)
}

func TestPartialIsDroppedWhenComplete(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	layer := imagetest.Gzip(unique(t, imagetest.AlpineLike("3.20.3", imagetest.Package{Name: "musl", Version: "1.2.5-r0"})...))
	s.push(t, "late", "1", image(t, layer))
	id := s.resolve(t, "late", "1").GetImages()[0].GetDigest()
	partial, err := s.client.Assemble(t.Context(), &workerv1.AssembleRequest{Image: id, Recipe: s.recipe})
	if err != nil || !partial.GetPartial() {
		t.Fatalf("Assemble without facts = %v, %v; want partial", partial, err)
	}
	if got := partial.GetRead()[plimsoll.AnalyzerPackages]; got.GetState() != string(plimsoll.ReadFailed) || got.GetReason() != "a layer was not read" {
		t.Errorf("read = %v, want failed: a layer was not read", got)
	}
	if inv := s.scan(t, "late", "1")[0]; inv.Coverage().Short() {
		t.Errorf("coverage of the whole inventory = %v", inv.Coverage())
	}
	if there, err := s.blobs.Head(t.Context(), partial.GetKey()); err != nil || there {
		t.Errorf("the partial inventory is still there (%v, %v)", there, err)
	}
}

func TestRaisedVersionReadsOneAnalyserAgain(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	layer := imagetest.Gzip(unique(t, imagetest.AlpineLike("3.20.3", imagetest.Package{Name: "musl", Version: "1.2.5-r0"})...))
	s.push(t, "raised", "1", image(t, layer))
	s.scan(t, "raised", "1")
	before, digest := s.recipe, plimsoll.Digest(layer.Digest().String())
	old := s.facts(t, digest)

	s.run(t, func(c *worker.Config) { c.AnalyzerVersions = map[string]int{plimsoll.AnalyzerPackages: 1000} })
	if s.recipe == before {
		t.Fatal("the recipe did not change with an analyser's version")
	}
	s.registry.ResetStats()
	s.scan(t, "raised", "1")
	fresh := s.facts(t, digest)
	if old[plimsoll.AnalyzerTree] != fresh[plimsoll.AnalyzerTree] {
		t.Error("facts by tree were written again, although only packages was raised")
	}
	if old[plimsoll.AnalyzerPackages] == fresh[plimsoll.AnalyzerPackages] {
		t.Error("facts by packages were not written again")
	}
	if got := s.registry.Stats().BlobBytes(); got != int64(len(layer.Bytes)) {
		t.Errorf("%d bytes were read, want those of the layer once: %d", got, len(layer.Bytes))
	}
}

// facts gives the key and tag of a layer's facts by each analyser of the running worker.
func (s *stage) facts(t *testing.T, layer plimsoll.Digest) map[string]string {
	t.Helper()
	d, err := s.client.Describe(t.Context(), &workerv1.DescribeRequest{})
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, a := range d.GetAnalyzers() {
		key := blob.FactsKey(plimsoll.Analyzer{Name: a.GetName(), Version: int(a.GetVersion()), Config: a.GetConfig()}, layer)
		o, err := s.blobs.Get(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		out[a.GetName()] = key + " " + o.ETag + " " + o.Modified.String()
	}
	return out
}

func TestIdenticalCallsJoin(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	layer := imagetest.Gzip(unique(t, imagetest.Text("f", "x")))
	s.push(t, "joined", "1", image(t, layer))
	hold, release := holdBlobs()
	s.registry.Intercept(hold)
	s.registry.ResetStats()
	l := &workerv1.Layer{Digest: layer.Digest().String(), Size: int64(len(layer.Bytes))}

	const calls = 8
	type answer struct {
		m   *workerv1.AnalyzeResponse
		err error
	}
	answers := make(chan answer, calls)
	for range calls {
		go func() {
			m, err := s.analyze(t.Context(), "joined", l)
			answers <- answer{m, err}
		}()
	}
	release()
	bytes, reused := int64(0), 0
	for range calls {
		a := <-answers
		if a.err != nil {
			t.Fatal(a.err)
		}
		bytes += a.m.GetReadBytes()
		if a.m.GetReused() {
			reused++
		}
	}
	if bytes != l.GetSize() || reused != calls-1 {
		t.Errorf("%d calls read %d bytes and %d were reused, want %d and %d", calls, bytes, reused, l.GetSize(), calls-1)
	}
	if got := s.registry.Stats().BlobBytes(); got != l.GetSize() {
		t.Errorf("the registry sent %d bytes, want %d", got, l.GetSize())
	}
}

// holdBlobs keeps blobs back until release is called.
func holdBlobs() (imagetest.Fault, func()) {
	open := make(chan struct{})
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			if imagetest.IsBlob(req) {
				<-open
			}
			next.ServeHTTP(w, req)
		})
	}, func() { close(open) }
}

func TestForeignLayerIsNotFetched(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	layer := imagetest.Stored(unique(t, imagetest.Text("windows", "x")), "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip")
	s.push(t, "foreign", "1", image(t, layer))
	s.registry.ResetStats()
	inv := s.scan(t, "foreign", "1")[0]
	if got := inv.Read[plimsoll.AnalyzerPackages]; got != plimsoll.Failed("unsupported: foreign layer") {
		t.Errorf("read = %v, want failed: unsupported: foreign layer", got)
	}
	if got := s.registry.Stats().Blobs[layer.Digest().String()]; got != 0 {
		t.Errorf("%d bytes of the foreign layer were fetched", got)
	}
}

func TestHealth(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	h, err := grpc_health_v1.NewHealthClient(s.conn).Check(t.Context(), &grpc_health_v1.HealthCheckRequest{})
	if err != nil || h.GetStatus() != grpc_health_v1.HealthCheckResponse_SERVING {
		t.Errorf("health = %v, %v; want serving", h, err)
	}
}
