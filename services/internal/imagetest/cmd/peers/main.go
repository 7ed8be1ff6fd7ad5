// Command peers runs scanners over the corpus of hostile images, one image at a time, and tells what became of each: whether the scanner
// lived, how much memory it took, and whether it said "clean" of what it did not read.
//
//	hostile DIR
//	peers -bin FOLDER [-only plimsoll,trivy] [-jobs 2] DIR RESULTS.tsv
//	peers -table RESULTS.tsv
//
// FOLDER holds the programs plimsoll, trivy, syft and osv-scanner; what is missing there is left out. Cases that RESULTS.tsv has already
// are not run again, so a run that was stopped goes on. The third form writes the table for docs/benchmarks.md to standard output.
package main

import (
	"flag"
	"fmt"
	"os"
	"strings"
)

func main() {
	if len(os.Args) > 3 && os.Args[1] == measureWord {
		exitWith(measure(os.Args[2], os.Args[3], os.Args[4:]))
	}
	bin := flag.String("bin", "", "folder of the programs")
	only := flag.String("only", "plimsoll,trivy,syft,osv-scanner", "programs to run, in this order")
	jobs := flag.Int("jobs", 1, "images at a time; more than one blurs nothing but the time")
	index := flag.String("java-db", "", "folder of trivy's index of jars; without one it refuses images with jars")
	table := flag.Bool("table", false, "write the table of a file of results")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "usage: peers -bin FOLDER DIR RESULTS.tsv | peers -table RESULTS.tsv")
		flag.PrintDefaults()
	}
	flag.Parse()
	javaIndex = *index
	var err error
	switch {
	case *table && flag.NArg() == 1:
		err = writeTable(os.Stdout, flag.Arg(0))
	case !*table && flag.NArg() == 2 && *bin != "":
		err = runAll(*bin, strings.Split(*only, ","), *jobs, flag.Arg(0), flag.Arg(1))
	default:
		flag.Usage()
		os.Exit(2)
	}
	exitWith(err)
}

func exitWith(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "peers:", err)
		os.Exit(1)
	}
	os.Exit(0)
}
