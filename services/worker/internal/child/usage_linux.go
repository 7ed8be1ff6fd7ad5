package child

import (
	"bytes"
	"os"
	"strconv"
	"time"
)

// clockTick is the unit of times in /proc: 100 a second on every Linux (sysconf(_SC_CLK_TCK)).
const clockTick = 10 * time.Millisecond

// usage reads /proc (proc(5)); false when the process is gone.
func usage(pid int) (c cost, ok bool) {
	dir := "/proc/" + strconv.Itoa(pid)
	memory, err := os.ReadFile(dir + "/statm")
	if err != nil {
		return c, false
	}
	pages := numbers(memory)
	stat, err := os.ReadFile(dir + "/stat")
	if err != nil || len(pages) < 3 {
		return c, false
	}
	// The program's name, in parentheses, may hold anything; utime and stime are the 14th and 15th field.
	fields := numbers(stat[bytes.LastIndexByte(stat, ')')+1:])
	const utime, stime = 14 - 3, 15 - 3
	if len(fields) <= stime {
		return c, false
	}
	c.memory = (pages[1] - pages[2]) * int64(os.Getpagesize()) // resident less shared
	c.cpu = time.Duration(fields[utime]+fields[stime]) * clockTick
	return c, true
}

// numbers reads fields; one that is no number is 0.
func numbers(b []byte) (all []int64) {
	for f := range bytes.FieldsSeq(b) {
		n, _ := strconv.ParseInt(string(f), 10, 64)
		all = append(all, n)
	}
	return all
}
