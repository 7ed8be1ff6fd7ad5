// Command bench measures the worker role alone and prints it beside its targets; `make bench-worker` runs it, and
// docs/benchmarks.md has the method.
//
// This process makes the images, serves them as a registry, has an S3 server beside it and calls the worker as the scheduler
// does; the worker and its children are other processes, and only they are measured.
//
//	cd services/worker && go run ./bench -shared ../../../shared -corpus DIR -peers DIR
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// options are the command's flags.
type options struct {
	module     string // folder of services/worker
	work       string // folder of what is made; kept between runs
	worker     string // binary to measure in place of this tree's
	shared     string // folder with bench/floor
	corpus     string // folder with an OCI layout "layout"
	peers      string // folder of other scanners
	rounds     int
	peerRounds int
	fleet      int // rounds of the fleet
	slots      int
	seed       uint64
	images     *regexp.Regexp
	variants   []variant
	markdown   string
}

func main() { os.Exit(bench(os.Args[1:])) }

// bench gives the exit code: 0 also where targets are missed, 1 for what could not be measured, 3 for wrong flags.
func bench(args []string) int {
	o, err := parse(args, os.Stderr)
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		return 3
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		return 1
	}
	return 0
}

func parse(args []string, out io.Writer) (o options, err error) {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(out)
	flags.StringVar(&o.module, "module", ".", "`folder` of services/worker")
	flags.StringVar(&o.work, "work", "../../dist/bench", "`folder` for images and programs, kept between runs; about 8 GB")
	flags.StringVar(&o.worker, "worker", "", "measure this worker `binary` in place of this tree's")
	flags.StringVar(&o.shared, "shared", "", "`folder` with bench/floor; empty: no floor, no ratios")
	flags.StringVar(&o.corpus, "corpus", "", "`folder` with an OCI layout \"layout\"; empty: made images alone")
	flags.StringVar(&o.peers, "peers", "", "`folder` with trivy, syft, osv-scanner; what is absent is left out")
	flags.IntVar(&o.rounds, "rounds", 3, "cold runs of each image")
	flags.IntVar(&o.peerRounds, "peer-rounds", -1, "of those rounds, the first so many have the peers too; -1: a third")
	flags.IntVar(&o.fleet, "fleet-rounds", 1, "runs of the fleet of 50 images with 1 and with 2 workers; 0: none")
	flags.IntVar(&o.slots, "slots", 1, "layers at once in the worker; the memory budget is a slot's")
	flags.Uint64Var(&o.seed, "seed", 4, "of the order of the runs; the images have their own")
	images := flags.String("images", "", "only images that match this `pattern`")
	variants := flags.String("variants", "inventory,files,secrets", "`names` of variants: which analysers the worker has on; default: as it comes")
	flags.StringVar(&o.markdown, "markdown", "", "put the tables into this `file`, between its bench-worker marks where it has them")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if o.peerRounds < 0 {
		o.peerRounds = (o.rounds + 2) / 3 // peers take most of the time
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("%q: bench takes flags only", flags.Args())
	}
	if o.images, err = regexp.Compile(*images); err != nil {
		return o, fmt.Errorf("-images: %w", err)
	}
	for name := range strings.SplitSeq(*variants, ",") {
		v, ok := variantNamed(name)
		if !ok {
			return o, fmt.Errorf("-variants: no variant %q; there are inventory, files, secrets and default", name)
		}
		o.variants = append(o.variants, v)
	}
	return o, o.absolute()
}

// absolute makes paths independent of the folder a command runs in.
func (o *options) absolute() (err error) {
	for _, p := range []*string{&o.module, &o.work, &o.worker, &o.shared, &o.corpus, &o.peers, &o.markdown} {
		if *p == "" {
			continue
		}
		if *p, err = filepath.Abs(*p); err != nil {
			return err
		}
	}
	return nil
}

// run is the whole benchmark, in order.
func run(ctx context.Context, o options, out io.Writer) error {
	say := func(format string, args ...any) { fmt.Fprintf(out, format+"\n", args...) }
	if err := os.MkdirAll(o.work, 0o755); err != nil {
		return err
	}
	say("making images in %s (once; the 2 GB layer takes a minute)", o.work)
	images, err := makeImages(ctx, o, say)
	if err != nil {
		return fmt.Errorf("make images: %w", err)
	}
	programs, err := buildPrograms(ctx, o, say)
	if err != nil {
		return err
	}
	bed, err := newBed(o, programs.worker, say)
	if err != nil {
		return err
	}
	defer bed.close()

	all := newResults(images, o, machine(bed.accounts.name()))
	if err := measureAll(ctx, o, bed, programs, images, all, say); err != nil {
		return err
	}
	if o.fleet > 0 {
		if all.fleet, err = measureFleet(ctx, o, bed, images, say); err != nil {
			return fmt.Errorf("fleet: %w", err)
		}
	}
	tables := all.tables()
	for _, t := range tables {
		t.text(out)
	}
	if o.markdown != "" {
		return writeMarkdown(o.markdown, all, tables)
	}
	return nil
}

// machine is what numbers depend on, in one line.
func machine(accounting string) string {
	model := "unknown processor"
	if b, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		if _, after, ok := strings.Cut(string(b), "model name"); ok {
			line, _, _ := strings.Cut(after, "\n")
			model = strings.Trim(line, "\t :")
		}
	}
	load := "unknown"
	if b, err := os.ReadFile("/proc/loadavg"); err == nil {
		load, _, _ = strings.Cut(string(b), " ")
	}
	return fmt.Sprintf("%s, %d cores, load %s when it began, %s/%s, %s; processor time by %s; %s", model, runtime.NumCPU(), load,
		runtime.GOOS, runtime.GOARCH, runtime.Version(), accounting, time.Now().UTC().Format(time.DateOnly))
}
