package e2e

import (
	"archive/zip"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/plimsoll/plimsoll"
)

const ownRecord = `{"id": "PLIM-2026-0001", "summary": "%s", "affected": [
	{"package": {"ecosystem": "npm", "name": "left-pad"}, "ranges": [{"type": "SEMVER", "events": [{"introduced": "0"}]}]}]}`

// TestOwnAdvisories publishes a flaw that nobody else knows, to a running Plimsoll and beside it, and takes it back.
func TestOwnAdvisories(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	d := newDistribution(t, "")
	d.push("shop/web", "1.0", app(t, "amd64", "left-pad", "1.3.0"))
	s := up(t, setup{registries: []plimsoll.Registry{d.configured()}, advisories: sampleAdvisories(t)})
	s.sweep(ctx, d.configured().ID)
	file := filepath.Join(t.TempDir(), "own.json")
	add := func(text string, args ...string) (out, errOut string, code int) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return plimsollCommand(ctx, t, append([]string{"advisories", "add", file}, args...)...)
	}
	remote := []string{"--server", s.url, "--token-file", filepath.Join(s.data, "admin.token")}
	expect := func(what string, want bool) {
		t.Helper()
		s.image(ctx, d.configured().ID, "shop/web:1.0", func(im scanned) error {
			if im.has("PLIM-2026-0001") != want {
				return fmt.Errorf("%s: finding there is not %v", what, want)
			}
			return nil
		})
	}
	if _, errOut, code := add(strings.Replace(ownRecord, "PLIM-2026-0001", "CVE-2026-1", 1), remote...); code != 3 || !strings.Contains(errOut, "PLIM-") {
		t.Errorf("another's id: exit %d, %s", code, errOut)
	}
	if _, errOut, code := add("{\n nothing", remote...); code != 3 || !strings.Contains(errOut, "line 2") {
		t.Errorf("no JSON: exit %d, %s", code, errOut)
	}
	if out, errOut, code := add(fmt.Sprintf(ownRecord, "first"), remote...); code != 0 || !strings.Contains(out, "PLIM-2026-0001: in force") {
		t.Fatalf("exit %d, %s%s", code, out, errOut)
	}
	expect("added to a running Plimsoll", true)
	if _, errOut, code := add(`{"id": "PLIM-2026-0001", "withdrawn": "2026-11-25T00:00:00Z"}`, remote...); code != 0 {
		t.Fatalf("exit %d, %s", code, errOut)
	}
	expect("taken back", false)
	// Beside the running one, straight into the bucket: it is seen with the next look.
	if out, errOut, code := add(fmt.Sprintf(ownRecord, "again"), "--data", s.data); code != 0 {
		t.Fatalf("exit %d, %s%s", code, out, errOut)
	}
	if _, errOut, code := plimsollCommand(ctx, t, append([]string{"advisories", "update"}, remote...)...); code != 0 {
		t.Fatalf("update: exit %d, %s", code, errOut)
	}
	expect("added to the bucket", true)
}

// TestAcceptedFeed: a feed that went back in time is stopped until somebody accepts it.
func TestAcceptedFeed(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	folder := t.TempDir()
	write := func(date string, n int) {
		t.Helper()
		var buf bytes.Buffer
		z := zip.NewWriter(&buf)
		for i := range n {
			w, err := z.Create(fmt.Sprintf("GHSA-%d.json", i))
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(w, `{"id":"GHSA-%d","modified":"%sT00:00:00Z","affected":[{"package":{"ecosystem":"npm","name":"p%d"},"versions":["1.0.0"]}]}`, i, date, i)
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Join(folder, "npm"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, "npm", "all.zip"), buf.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("2026-05-01", 100)
	s := up(t, setup{advisories: folder})
	remote := []string{"--server", s.url, "--token-file", filepath.Join(s.data, "admin.token")}
	update := func(args ...string) (string, int) {
		out, errOut, code := plimsollCommand(ctx, t, append(append([]string{"advisories", "update"}, args...), remote...)...)
		return out + errOut, code
	}
	if text, code := update(); code != 0 {
		t.Fatalf("exit %d, %s", code, text)
	}
	write("2026-05-02", 70)
	if text, code := update(); code == 0 || !strings.Contains(text, "30 of 100 records are gone") || !strings.Contains(text, "--accept") {
		t.Errorf("a feed that shrank: exit %d, %s", code, text)
	}
	status := func() string {
		out, _, _ := plimsollCommand(ctx, t, append([]string{"advisories", "status"}, remote...)...)
		return out
	}
	if text := status(); !strings.Contains(text, "30 of 100 records are gone") || !strings.Contains(text, "0 of 1 feeds fresh") {
		t.Errorf("status: %s", text)
	}
	if text, code := update("--accept"); code != 0 || !strings.Contains(text, "new") {
		t.Errorf("accepted: exit %d, %s", code, text)
	}
	if text := status(); !strings.Contains(text, "1 of 1 feeds fresh") {
		t.Errorf("status: %s", text)
	}
}

// airGapped runs up in a network namespace of its own, with loopback and no route, and asks it from within.
const airGapped = `set -eu
ip link set lo up
[ -z "$(ip route show)" ] || { echo "there is a route"; exit 90; }
"$BIN" up --listen 127.0.0.1:8080 --data "$DATA" --advisories "$BUNDLE" --bundle-key "$PUB" >"$DATA.log" 2>&1 &
pid=$!
trap 'kill $pid; wait $pid || true' EXIT
tries=0
until grep -q "ready at" "$DATA.log"; do
	kill -0 $pid || { cat "$DATA.log"; exit 91; }
	tries=$((tries+1)); [ $tries -lt 600 ] || { cat "$DATA.log"; exit 92; }
	sleep 0.3
done
"$BIN" advisories update --token-file "$DATA/admin.token" || true
"$BIN" advisories status
`

// TestAirGapped: a site without a way out works from a bundle; one that was tampered with is refused and named.
func TestAirGapped(t *testing.T) {
	t.Parallel()
	for _, tool := range []string{"unshare", "ip", "sh"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is not installed: no network namespace can be made", tool)
		}
	}
	isolated := []string{"--user", "--map-root-user", "--net"}
	if out, err := exec.Command("unshare", append(isolated, "true")...).CombinedOutput(); err != nil {
		t.Skipf("this machine lets nobody make a network namespace: %v %s", err, out)
	}
	ctx := testContext(t)
	dir := t.TempDir()
	key, bundle := filepath.Join(dir, "bundle.key"), filepath.Join(dir, "osv.bundle")
	for _, args := range [][]string{
		{"advisories", "bundle", "--new-key", "--key", key},
		{"advisories", "bundle", "--advisories", sampleAdvisories(t), "--output", bundle, "--key", key},
	} {
		if out, errOut, code := plimsollCommand(ctx, t, args...); code != 0 {
			t.Fatalf("plimsoll %s: exit %d\n%s%s", strings.Join(args, " "), code, out, errOut)
		}
	}
	ask := func(name, bundle string) (string, int) {
		t.Helper()
		cmd := exec.CommandContext(ctx, "unshare", append(isolated, "sh", "-c", airGapped)...)
		cmd.Env = append(os.Environ(), "BIN="+binary, "DATA="+filepath.Join(dir, name), "BUNDLE="+bundle, "PUB="+key+".pub", "HTTP_PROXY=", "HTTPS_PROXY=")
		out, _ := cmd.CombinedOutput() //nolint:errcheck // the code tells
		return string(out), cmd.ProcessState.ExitCode()
	}
	if out, code := ask("whole", bundle); code != 0 || !strings.Contains(out, "feeds fresh") || strings.Contains(out, "0 of 0") {
		t.Errorf("exit %d; want every feed fresh\n%s", code, out)
	}
	whole, err := os.ReadFile(bundle)
	if err != nil {
		t.Fatal(err)
	}
	whole[len(whole)/4] ^= 1
	tampered := filepath.Join(dir, "tampered.bundle")
	if err := os.WriteFile(tampered, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, code := ask("tampered", tampered); code != 2 || !strings.Contains(out, "not those that were signed") || !strings.Contains(out, "all.zip") {
		t.Errorf("exit %d; want 2, and the feed that was changed named\n%s", code, out)
	}
	if out, errOut, code := plimsollCommand(ctx, t, "up", "--listen", "127.0.0.1:0", "--data", filepath.Join(dir, "keyless"), "--advisories", bundle); code != 3 || !strings.Contains(errOut, "bundle_key") {
		t.Errorf("up without the key: exit %d\n%s%s", code, out, errOut)
	}
}
