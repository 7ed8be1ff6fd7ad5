// Command bench measures the whole pipeline on one machine: registry, engines, scheduler, worker and reporter, each a process of
// its own, so that what each of them costs is told apart. Make target: bench-pipeline.
//
// The registry is manyimages of the shared folder: any number of images on the real images of a corpus. It counts what is asked
// of it and is slow or broken on request.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// options are the command line.
type options struct {
	shared, corpus, bin string
	work                string // folder of everything that is made
	linked              bool   // engines stand behind links, so that they can be killed
	sizes               []int
	tags                int
	scenarios           []string
	pushFor             int // seconds
	verbose             bool
}

// scenarios in the order in which they run on one system.
var scenarios = []string{"sweeps", "push", "busy", "registries", "kill", "flood"}

func main() {
	var o options
	sizes := flag.String("images", "1000,10000", "sizes of the registry, separated by commas")
	which := flag.String("scenarios", strings.Join(scenarios, ","), "what to measure, separated by commas")
	engines := flag.String("engines", "", "run the embedded engines over this folder, print their addresses and wait: for the bench's own use")
	markdown := flag.String("markdown", "", "file between whose marks the results are written")
	flag.StringVar(&o.shared, "shared", "", "folder with bench/manyimages")
	flag.StringVar(&o.corpus, "corpus", "", "folder with the OCI layout \"layout\"")
	flag.StringVar(&o.bin, "bin", "bin", "folder with plimsoll and plimsoll-analyse")
	flag.StringVar(&o.work, "work", "", "folder for data and logs; kept (default: a temporary one, removed)")
	flag.IntVar(&o.tags, "tags", 10, "tags a repository")
	flag.IntVar(&o.pushFor, "push-for", 300, "seconds of pushes")
	flag.BoolVar(&o.verbose, "v", false, "print progress")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	var err error
	if *engines != "" {
		err = runEngines(ctx, *engines)
	} else {
		err = o.parse(*sizes, *which)
		if err == nil {
			err = run(ctx, o, *markdown)
		}
	}
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench-pipeline:", err)
		os.Exit(1)
	}
}

func (o *options) parse(sizes, which string) error {
	for s := range strings.SplitSeq(sizes, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(s))
		if err != nil || n < 1 {
			return fmt.Errorf("-images %q: want numbers above 0, separated by commas", sizes)
		}
		o.sizes = append(o.sizes, n)
	}
	for s := range strings.SplitSeq(which, ",") {
		if !slices.Contains(scenarios, s) {
			return fmt.Errorf("-scenarios: %q is none of %s", s, strings.Join(scenarios, ", "))
		}
		o.scenarios = append(o.scenarios, s)
	}
	if o.shared == "" || o.corpus == "" {
		return errors.New("give -shared (the folder with bench/manyimages) and -corpus (the folder with the OCI layout)")
	}
	for _, path := range []*string{&o.shared, &o.corpus, &o.bin, &o.work} {
		if *path == "" {
			continue
		}
		abs, err := filepath.Abs(*path)
		if err != nil {
			return err
		}
		*path = abs
	}
	return nil
}

func (o options) wants(scenario string) bool { return slices.Contains(o.scenarios, scenario) }

func run(ctx context.Context, o options, markdown string) error {
	if o.work == "" {
		dir, err := os.MkdirTemp("", "plimsoll-bench-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		o.work = dir
	}
	manyimages := filepath.Join(o.work, "manyimages")
	if err := os.MkdirAll(o.work, 0o755); err != nil {
		return err
	}
	if err := build(ctx, filepath.Join(o.shared, "bench"), "./manyimages", manyimages); err != nil {
		return err
	}
	var all []result
	for _, n := range o.sizes {
		r, err := measure(ctx, o, manyimages, n)
		all = append(all, r)
		if err != nil {
			fmt.Print(render(all))
			return fmt.Errorf("%d images: %w", n, err)
		}
	}
	table := render(all)
	fmt.Print(table)
	if markdown == "" {
		return nil
	}
	return replace(markdown, table)
}
