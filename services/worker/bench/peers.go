package main

import (
	"archive/tar"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"
)

// peerLimit ends a peer's run; one that ran out of it is not run on that image again.
const peerLimit = 5 * time.Minute

// errLimit is returned when a peer ran out of its time.
var errLimit = errors.New("over its limit of time")

// peer is another scanner, run for its inventory alone, with nothing known before.
type peer struct {
	name    string
	binary  string
	atLeast float64 // the target: processor time as a multiple of ours
	// prepare makes what the peer wants in a fresh folder, before it is measured.
	prepare func(dir string) error
	// command gives arguments and environment; dir is the fresh folder, out the file for its answer.
	command func(i image, archive, dir, out string) (args, env []string)
	archive bool // it reads a docker archive, not a layout
	// exits are codes, beside 0, that a peer ends with after it has made its inventory.
	exits []int
}

var knownPeers = []peer{
	{
		// With CycloneDX and no --scanners it matches nothing. It insists on an index of jars by checksum: an empty one.
		name: "trivy", atLeast: 1.2, prepare: emptyJavaIndex,
		command: func(i image, _, dir, out string) ([]string, []string) {
			return []string{
				"image", "--input", i.Dir, "--format", "cyclonedx", "--output", out, "--cache-dir", dir,
				"--offline-scan", "--skip-java-db-update", "--skip-version-check", "--quiet",
			}, nil
		},
	},
	{
		name: "syft", atLeast: 2.5,
		command: func(i image, _, _, out string) ([]string, []string) {
			return []string{"scan", "oci-dir:" + i.Dir, "--quiet", "--output", "syft-json=" + out}, []string{"SYFT_CHECK_FOR_APP_UPDATE=false"}
		},
	},
	{
		// Offline without advisories it stops after the inventory, with the code for "no database" (127).
		name: "osv-scanner", atLeast: 3, archive: true, exits: []int{1, 127},
		command: func(_ image, archive, dir, out string) ([]string, []string) {
			return []string{
				"scan", "image", "--archive", "--offline", "--all-packages", "--allow-no-lockfiles", "--format", "json", "--output-file", out, archive,
			}, []string{"OSV_SCANNER_LOCAL_DB_CACHE_DIRECTORY=" + dir}
		},
	},
}

func findPeers(o options, say func(string, ...any)) (found []peer) {
	for _, p := range knownPeers {
		p.binary = filepath.Join(o.peers, p.name)
		if o.peers == "" {
			say("skip: %s (give PEERS, a folder of programs)", p.name)
			continue
		}
		if _, err := os.Stat(p.binary); err != nil {
			say("skip: %s (%v)", p.name, err)
			continue
		}
		found = append(found, p)
	}
	return found
}

// emptyJavaIndex is a database that is current and holds nothing.
func emptyJavaIndex(dir string) error {
	at := filepath.Join(dir, "java-db")
	if err := os.MkdirAll(at, 0o755); err != nil {
		return err
	}
	const metadata = `{"Version":1,"NextUpdate":"2199-01-01T00:00:00Z","UpdatedAt":"2026-01-01T00:00:00Z","DownloadedAt":"2026-01-01T00:00:00Z"}`
	return errors.Join(os.WriteFile(filepath.Join(at, "trivy-java.db"), nil, 0o644),
		os.WriteFile(filepath.Join(at, "metadata.json"), []byte(metadata), 0o644))
}

// archiveOf is an image as a docker archive with its layers as compressed as they are in the layout; it is made once.
func archiveOf(i image, work string) (string, error) {
	file := filepath.Join(work, "archives", i.Manifest.Hex+".tar")
	if _, err := os.Stat(file); err == nil {
		return file, nil
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return "", err
	}
	part := file + ".part"
	if err := writeArchive(part, i); err != nil {
		return "", fmt.Errorf("write archive of %s: %w", i.Name, err)
	}
	return file, os.Rename(part, file)
}

// writeArchive writes what `docker save` writes: manifest.json, the configuration, the layers.
func writeArchive(file string, i image) error {
	_, m, err := readImage(i.Dir)
	if err != nil {
		return err
	}
	type entry struct {
		Config   string
		RepoTags []string
		Layers   []string
	}
	e := entry{Config: m.Config.Digest.Hex + ".json", RepoTags: []string{repositoryOf(i) + ":" + tag}}
	blobs := map[string]string{e.Config: blobPath(i.Dir, m.Config.Digest)}
	for _, l := range m.Layers {
		e.Layers = append(e.Layers, l.Digest.Hex+".tar.gz")
		blobs[l.Digest.Hex+".tar.gz"] = blobPath(i.Dir, l.Digest)
	}
	list, err := json.Marshal([]entry{e})
	if err != nil {
		return err
	}
	out, err := os.Create(file)
	if err != nil {
		return err
	}
	err = inTar(func(t *tar.Writer) error {
		for _, name := range slices.Sorted(maps.Keys(blobs)) {
			if err := addFile(t, name, blobs[name]); err != nil {
				return err
			}
		}
		if err := t.WriteHeader(header("manifest.json", 0o644, int64(len(list)))); err != nil {
			return err
		}
		_, err := t.Write(list)
		return err
	})(out)
	return errors.Join(err, out.Close())
}

// run measures one cold run.
func (p peer) run(ctx context.Context, i image, work, scratch string) (time.Duration, error) {
	dir, err := os.MkdirTemp(scratch, p.name+"-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	if p.prepare != nil {
		if err := p.prepare(dir); err != nil {
			return 0, err
		}
	}
	var archive string
	if p.archive {
		if archive, err = archiveOf(i, work); err != nil {
			return 0, err
		}
	}
	out := filepath.Join(dir, "answer.json")
	args, env := p.command(i, archive, dir, out)
	cpu, err := processor(ctx, p.binary, args, append(env, "TMPDIR="+dir, "HOME="+dir), p.exits)
	if err != nil {
		return 0, fmt.Errorf("%s on %s: %w", p.name, i.Name, err)
	}
	if info, err := os.Stat(out); err != nil || info.Size() == 0 {
		return 0, fmt.Errorf("%s on %s: it wrote no inventory", p.name, i.Name)
	}
	return cpu, nil
}

// processor runs a program and gives the processor time of its whole tree (wait4's rusage).
func processor(ctx context.Context, program string, args, env []string, exits []int) (time.Duration, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, peerLimit, errLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	var said tail
	cmd.Env, cmd.Stdout, cmd.Stderr = append([]string{"PATH=" + os.Getenv("PATH")}, env...), &said, &said
	err := cmd.Run()
	if ctx.Err() != nil {
		return 0, context.Cause(ctx)
	}
	if err != nil && !ended(err, exits) {
		return 0, fmt.Errorf("%w: %s", err, &said)
	}
	return cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), nil
}

// ended tells an exit code that is an answer from a failure.
func ended(err error, exits []int) bool {
	var exit *exec.ExitError
	return errors.As(err, &exit) && slices.Contains(exits, exit.ExitCode())
}
