package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"
)

const (
	// sampleEvery is how often memory is looked at: a file handed over lives for tens of milliseconds.
	sampleEvery = 10 * time.Millisecond
	// tempEvery is how often the temporary folder is looked at. Bytes that come and go between two looks show as written.
	tempEvery = 10 * sampleEvery
)

// cost is what one run took from the machine.
type cost struct {
	cpu     time.Duration
	peak    int64 // anonymous and shared memory of all processes together, bytes, at its highest
	temp    int64 // bytes in the temporary folder, at their highest
	written int64 // bytes on their way to a disk
}

// meter measures the processes of one account from start to stop.
type meter struct {
	account account
	temp    string

	cpu     time.Duration // at the start
	written int64
	stop    chan struct{}
	done    sync.WaitGroup
	seen    cost  // by the sampling goroutine, until it is done
	failed  error // likewise
}

func startMeter(a account, temp string) (m *meter, err error) {
	m = &meter{account: a, temp: temp, stop: make(chan struct{})}
	if m.written, err = m.writes(); err != nil {
		return nil, err
	}
	if m.cpu, err = a.usage(); err != nil {
		return nil, err
	}
	m.done.Go(m.sample)
	return m, nil
}

// finish stops measuring. An error means that the numbers are not whole.
func (m *meter) finish() (cost, error) {
	cpu, err := m.account.usage() // first: what follows takes time
	close(m.stop)
	m.done.Wait()
	if err != nil {
		return cost{}, err
	}
	if m.failed != nil {
		return cost{}, m.failed
	}
	written, err := m.writes()
	if err != nil {
		return cost{}, err
	}
	m.look()
	c := m.seen
	c.cpu, c.written = cpu-m.cpu, written-m.written
	return c, m.failed
}

func (m *meter) sample() {
	ticker := time.NewTicker(sampleEvery)
	defer ticker.Stop()
	for n := 0; m.failed == nil; n++ {
		m.measureMemory()
		if n%int(tempEvery/sampleEvery) == 0 {
			m.look()
		}
		select {
		case <-ticker.C:
		case <-m.stop:
			return
		}
	}
}

func (m *meter) measureMemory() {
	now, err := memory(m.account)
	if err != nil {
		m.failed = err
	}
	m.seen.peak = max(m.seen.peak, now)
}

// look weighs the temporary folder.
func (m *meter) look() {
	var sum int64
	err := filepath.WalkDir(m.temp, func(_ string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return ignoreGone(err)
		}
		info, err := e.Info()
		if err == nil {
			sum += max(1, info.Size()) // an empty file is a file
		}
		return ignoreGone(err)
	})
	if err != nil {
		m.failed = err
	}
	m.seen.temp = max(m.seen.temp, sum)
}

func ignoreGone(err error) error {
	if os.IsNotExist(err) {
		return nil
	}
	return err
}

func (m *meter) writes() (int64, error) {
	pids, err := m.account.pids()
	if err != nil {
		return 0, err
	}
	return sumProc(pids, "io", parseWritten)
}

// memory is what the processes of an account hold now.
func memory(a account) (int64, error) {
	pids, err := a.pids()
	if err != nil {
		return 0, err
	}
	return sumProc(pids, "status", parseMemory)
}
