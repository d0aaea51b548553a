//go:build linux

package browser

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// patience is how long anything may take that a person would wait for. These are
// big programs, and the machine may be small.
const patience = 60 * time.Second

// A process leads a group of its own, so that what it starts ends with it.
type process struct {
	cmd  *exec.Cmd
	log  string
	done chan struct{} // closed when it has ended
	once sync.Once     // to stop: its number may be another's afterwards
}

// start runs a program whose output goes to the file log.
func start(cmd *exec.Cmd, log string) (*process, error) {
	out, err := os.Create(log)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &process{cmd: cmd, log: log, done: make(chan struct{})}
	go func() { _ = cmd.Wait(); close(p.done) }()
	return p, nil
}

// stop ends the group: politely, then not.
func (p *process) stop() {
	if p == nil {
		return
	}
	p.once.Do(func() {
		group := -p.cmd.Process.Pid
		_ = syscall.Kill(group, syscall.SIGTERM)
		select {
		case <-p.done:
		case <-time.After(10 * time.Second):
		}
		_ = syscall.Kill(group, syscall.SIGKILL) // helpers that outlived it, if any
		<-p.done
	})
}

// ended says that a process is gone that should be there, and its last words.
func (p *process) ended() error {
	select {
	case <-p.done:
		return fmt.Errorf("%s has ended: %s\n%s", filepath.Base(p.cmd.Path), p.cmd.ProcessState, p.lastWords())
	default:
		return nil
	}
}

func (p *process) lastWords() []byte {
	text, _ := os.ReadFile(p.log)
	return text[max(0, len(text)-2000):]
}
