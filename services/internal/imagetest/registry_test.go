package imagetest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

func start(t *testing.T, o RegistryOptions) *Registry {
	t.Helper()
	r := NewRegistry(o)
	t.Cleanup(r.Close)
	if err := r.Start("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	return r
}

func push(t *testing.T, r *Registry, repository string, image v1.Image, tags ...string) {
	t.Helper()
	for _, tag := range tags {
		if err := Push(t.Context(), r.Host(), repository, tag, image); err != nil {
			t.Fatal(err)
		}
	}
}

func get(t *testing.T, u string, header http.Header) (*http.Response, []byte) {
	t.Helper()
	req := Must(http.NewRequestWithContext(t.Context(), http.MethodGet, u, http.NoBody))
	req.Header = header
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	return resp, Must(io.ReadAll(resp.Body))
}

func TestPushAndPull(t *testing.T) {
	t.Parallel()
	r := start(t, RegistryOptions{})
	image := Must(Image(sample()))
	index := Must(Index(Child{Image: image}, Must(Attestation(Must(image.Digest())))))
	if err := Push(t.Context(), r.Host(), "team/shop", "multi", index); err != nil {
		t.Fatal(err)
	}
	reference := Must(name.ParseReference(r.Host()+"/team/shop:multi", name.Insecure))
	pulled, err := remote.Index(reference)
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Index(pulled, validate.Fast); err != nil {
		t.Errorf("pulled index: %v", err)
	}
	if got, want := Must(pulled.Digest()), Must(index.Digest()); got != want {
		t.Errorf("pulled %s, pushed %s", got, want)
	}
}

func TestListing(t *testing.T) {
	t.Parallel()
	r := start(t, RegistryOptions{})
	image := Must(Image(Options{Layers: []Blob{Gzip(Layer(Text("a", "b")))}}))
	for i := range 5 {
		push(t, r, fmt.Sprintf("r%d", i), image, "b", "a")
	}
	var got []string
	next := "/v2/_catalog?n=2"
	for pages := 0; next != ""; pages++ {
		resp, body := get(t, r.URL()+next, nil)
		var page struct{ Repositories []string }
		if err := json.Unmarshal(body, &page); err != nil {
			t.Fatalf("page %d: %v", pages, err)
		}
		got = append(got, page.Repositories...)
		next = ""
		if link := resp.Header.Get("Link"); link != "" {
			next = link[1 : len(link)-len(`>; rel="next"`)]
		}
	}
	if diff := cmp.Diff([]string{"r0", "r1", "r2", "r3", "r4"}, got); diff != "" {
		t.Errorf("catalog (-want +got):\n%s", diff)
	}
	if _, body := get(t, r.URL()+"/v2/r0/tags/list", nil); string(bytes.TrimSpace(body)) != `{"name":"r0","tags":["a","b"]}` {
		t.Errorf("tags: %s", body)
	}
	if resp, _ := get(t, r.URL()+"/v2/none/tags/list", nil); resp.StatusCode != http.StatusNotFound {
		t.Errorf("tags of an unknown repository: HTTP %d, want 404", resp.StatusCode)
	}
}

func TestRangeAndStats(t *testing.T) {
	t.Parallel()
	r := start(t, RegistryOptions{})
	layer := Plain(Layer(Text("a", "b")))
	push(t, r, "x", Must(Image(Options{Layers: []Blob{layer}})), "1")
	r.ResetStats()
	u := r.URL() + "/v2/x/blobs/" + layer.Digest().String()
	for _, c := range []struct {
		rng  string
		want []byte
	}{{"bytes=100-199", layer.Bytes[100:200]}, {"bytes=2000-", layer.Bytes[2000:]}, {"bytes=-10", layer.Bytes[len(layer.Bytes)-10:]}} {
		resp, body := get(t, u, http.Header{"Range": {c.rng}})
		if resp.StatusCode != http.StatusPartialContent || !bytes.Equal(body, c.want) {
			t.Errorf("%s: HTTP %d with %d bytes, want 206 with %d", c.rng, resp.StatusCode, len(body), len(c.want))
		}
	}
	s := r.Stats()
	want := int64(100 + len(layer.Bytes) - 2000 + 10)
	if s.Requests["GET blob"] != 3 || s.BlobBytes() != want || s.Total() != 3 {
		t.Errorf("stats %+v, want 3 blob reads of %d bytes", s, want)
	}
}

func TestDelete(t *testing.T) {
	t.Parallel()
	r := start(t, RegistryOptions{})
	image := Must(Image(Options{Layers: []Blob{Gzip(Layer(Text("a", "b")))}}))
	other := Must(Image(Options{Layers: []Blob{Gzip(Layer(Text("a", "c")))}}))
	push(t, r, "x", image, "1", "2", "3")
	push(t, r, "x", other, "4")
	ctx := context.Background()
	if err := Delete(ctx, r.Host(), "x", "1"); err != nil {
		t.Fatal(err)
	}
	if _, body := get(t, r.URL()+"/v2/x/tags/list", nil); !bytes.Contains(body, []byte(`["2","3","4"]`)) {
		t.Errorf("after deleting tag 1: %s", body)
	}
	if err := Delete(ctx, r.Host(), "x", Must(image.Digest()).String()); err != nil {
		t.Fatal(err)
	}
	if _, body := get(t, r.URL()+"/v2/x/tags/list", nil); !bytes.Contains(body, []byte(`["4"]`)) {
		t.Errorf("after deleting the manifest of 2 and 3: %s", body)
	}
}

func TestNotify(t *testing.T) {
	t.Parallel()
	type hook struct {
		header http.Header
		body   []byte
	}
	got := make(chan hook, 10)
	first := true
	hooks := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if first { // the first is not taken, so that it has to come again
			first = false
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		got <- hook{req.Header, Must(io.ReadAll(req.Body))}
	}))
	defer hooks.Close()
	r := start(t, RegistryOptions{Notify: hooks.URL, Secret: "s3cret"})
	image := Must(Image(Options{Layers: []Blob{Gzip(Layer(Text("a", "b")))}}))
	push(t, r, "team/app", image, "1")
	select {
	case h := <-got:
		var e struct{ Events []event }
		if err := json.Unmarshal(h.body, &e); err != nil || len(e.Events) != 1 {
			t.Fatalf("body %s: %v", h.body, err)
		}
		target := e.Events[0].Target
		if e.Events[0].Action != "push" || target.Repository != "team/app" || target.Tag != "1" || target.Digest != Must(image.Digest()).String() {
			t.Errorf("event %+v", e.Events[0])
		}
		if h.header.Get("Authorization") != "Bearer s3cret" || h.header.Get("Content-Type") != EventsMediaType {
			t.Errorf("headers %v", h.header)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("no notification came")
	}
}

func TestFaults(t *testing.T) {
	t.Parallel()
	r := start(t, RegistryOptions{})
	layer := Plain(Layer(Text("a", "b")))
	push(t, r, "x", Must(Image(Options{Layers: []Blob{layer}})), "1")
	u := r.URL() + "/v2/x/blobs/" + layer.Digest().String()

	r.Intercept(Cut(1, 700))
	resp, err := http.Get(u)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if err == nil || len(body) != 700 {
		t.Errorf("cut at 700: %d bytes, error %v", len(body), err)
	}
	r.Intercept(Flip(1, 3))
	if _, body := get(t, u, nil); bytes.Equal(body, layer.Bytes) || len(body) != len(layer.Bytes) {
		t.Error("flip changed nothing, or the length")
	}
	if _, body := get(t, u, nil); !bytes.Equal(body, layer.Bytes) {
		t.Error("flip goes on after its count")
	}
	r.Intercept(Answer(1, http.StatusTooManyRequests, http.Header{"Retry-After": {"7"}}, nil))
	if resp, _ := get(t, u, nil); resp.StatusCode != http.StatusTooManyRequests || resp.Header.Get("Retry-After") != "7" {
		t.Errorf("HTTP %d, headers %v", resp.StatusCode, resp.Header)
	}
	if resp, _ := get(t, u, nil); resp.StatusCode != http.StatusOK {
		t.Errorf("after its count: HTTP %d", resp.StatusCode)
	}
}
