package child

import (
	"fmt"
	"time"
)

// What one job may cost. It depends on the machine how much of it a layer needs, so a child that is killed for it is an attempt.
const (
	maxMemory    = 512 << 20             // bytes resident besides files: five times what an honest layer needs
	cpuBase      = 10 * time.Second      // processor time of a job, and for each byte inflated:
	cpuPerByte   = 50 * time.Nanosecond  // 1 s a 20 MB: eight times the slowest honest layer measured
	watchEvery   = 50 * time.Millisecond // memory can grow by some 100 MB meanwhile
	maxStack     = 64 << 20              // of one goroutine: hostile nesting ends here and not at Go's gigabyte
	memoryTarget = 128 << 20             // where its collector begins to work harder: twice what an honest layer comes to
)

// watch looks at the child while a job runs, and kills it when it takes more than it may.
func (c *process) watch() (stop func()) {
	pid := c.cmd.Process.Pid
	before, _ := usage(pid)
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(watchEvery)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-c.exit:
				return
			case <-tick.C:
			}
			if why := c.excess(pid, before); why != "" {
				c.killFor(why)
				return
			}
		}
	}()
	return func() {
		close(done)
		<-ended
	}
}

func (c *process) excess(pid int, before cost) string {
	now, ok := usage(pid)
	if !ok {
		return ""
	}
	if now.memory > maxMemory {
		return fmt.Sprintf("more memory than %d MiB", maxMemory>>20)
	}
	if spent, may := now.cpu-before.cpu, cpuBase+time.Duration(c.board.inflated().Load())*cpuPerByte; spent > may {
		return "more processor time than its bytes justify"
	}
	return ""
}

// cost is what a process took so far.
type cost struct {
	memory int64 // bytes resident, files aside
	cpu    time.Duration
}
