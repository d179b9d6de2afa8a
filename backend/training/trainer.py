"""The training loop that all built-in models share.

Weights are averaged over the steps (EMA) and written as fp16 safetensors. The learning rate
follows a cosine over progress = max(step / steps, time / minutes), so that a run that is cut by
the clock still ends at a low rate. Started by torchrun it trains on several GPUs (torch DDP).
"""

from __future__ import annotations

import argparse
import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from backend.models.half import half, keep_strided_in_float
from backend.values import BadInput

STATE_LIMIT = 64 * 2**20  # a state file larger than this keeps no optimizer moments


def add_common_arguments(parser: argparse.ArgumentParser, steps: int) -> None:
    """--steps --seed --data --out --resume --minutes --device --batch of every trainer."""
    parser.add_argument("--data", type=Path, required=True, help="folder of the training sets")
    parser.add_argument("--out", type=Path, required=True, help="folder for weights and log")
    parser.add_argument("--steps", type=int, default=steps)
    parser.add_argument("--minutes", type=float, help="stop after this wall time at the latest")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--resume", action="store_true", help="go on from what lies in --out")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N or mps")
    parser.add_argument("--rate", type=float, help="highest learning rate")
    parser.add_argument("--batch", type=int, help="samples a step (on each device)")


@dataclass
class Settings:
    """What one run needs. `name` is the stem of the files written to `out`."""

    name: str
    out: Path
    steps: int
    seed: int = 0
    minutes: float | None = None
    resume: bool = False
    device: str = "auto"
    learning_rate: float = 1e-3
    weight_decay: float = 1e-2
    warmup: int = 200
    average: float = 0.999
    clip: float = 1.0
    save_seconds: float = 120.0
    log_steps: int = 50
    benchmark: bool = True  # cuDNN's search for the fastest algorithms; slow with many shapes
    slow: dict[str, float] = field(default_factory=dict)  # factor of the rate by names' starts
    start: float = field(default_factory=time.time)

    @classmethod
    def of(cls, name: str, args: argparse.Namespace, **more: Any) -> Settings:
        """The settings of the common arguments."""
        if args.rate:
            more["learning_rate"] = args.rate
        return cls(
            name, args.out, args.steps, args.seed, args.minutes, args.resume, args.device, **more
        )


def pick_device(name: str) -> torch.device:
    """`auto` takes CUDA where there is one; torchrun's processes get one GPU each."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda":
        name = f"cuda:{os.environ.get('LOCAL_RANK', '0')}"
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise BadInput("there is no CUDA device here: use --device cpu")
    return torch.device(name)


def save_half(state: dict[str, torch.Tensor], path: Path, about: dict[str, str]) -> None:
    """fp16 safetensors, written beside and then renamed: never half a file."""
    from safetensors.torch import save_file

    half = {
        key: value.detach().to("cpu", torch.float16 if value.is_floating_point() else None)
        .contiguous()
        for key, value in state.items()
        if not key.endswith("num_batches_tracked")
    }
    beside = path.with_suffix(".part")
    save_file(half, beside, metadata=about)
    beside.chmod(0o644)
    beside.replace(path)


def parameter_groups(net: nn.Module, settings: Settings) -> list[dict[str, Any]]:
    """Matrices with weight decay, the rest without; `factor` of the rate by name."""
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in net.named_parameters():
        if not parameter.requires_grad:
            continue
        decay = settings.weight_decay if parameter.ndim > 1 else 0.0
        factors = [f for start, f in settings.slow.items() if name.startswith(start)]
        groups.setdefault((factors[0] if factors else 1.0, decay), []).append(parameter)
    return [
        {"params": parameters, "factor": factor, "weight_decay": decay}
        for (factor, decay), parameters in groups.items()
    ]


class Trainer:
    """Trains `net` with AdamW. `loss(net, batch) -> (scalar, {name: scalar tensor})`;
    `batches(step) -> batch` must depend on the seed and the step alone, so a run can resume."""

    def __init__(
        self,
        net: nn.Module,
        settings: Settings,
        loss: Callable[[nn.Module, Any], tuple[torch.Tensor, dict[str, torch.Tensor]]],
        about: dict[str, str] | None = None,
    ) -> None:
        self.settings = settings
        self.loss = loss
        self.about = about or {}
        self.device = pick_device(settings.device)
        self.ranks = int(os.environ.get("WORLD_SIZE", "1"))
        self.rank = int(os.environ.get("RANK", "0"))
        torch.manual_seed(settings.seed)
        if self.device.type == "cuda":
            torch.cuda.set_device(self.device)
            torch.backends.cudnn.benchmark = settings.benchmark
            torch.backends.cuda.matmul.allow_tf32 = True
            torch.backends.cudnn.allow_tf32 = True
        self.net = net.to(self.device).to(memory_format=torch.channels_last)
        if self.device.type == "cpu":
            keep_strided_in_float(self.net)
        self.optimizer = torch.optim.AdamW(
            parameter_groups(net, settings), lr=settings.learning_rate
        )
        self.step = 0
        self.fraction = 0.0  # how much of the run is over
        self.average = {k: v.detach().clone() for k, v in net.state_dict().items()}
        settings.out.mkdir(parents=True, exist_ok=True)
        if settings.resume:
            self._resume()
        self.wrapped: nn.Module = self.net
        if self.ranks > 1:
            import torch.distributed as distributed

            if not distributed.is_initialized():
                distributed.init_process_group("nccl" if self.device.type == "cuda" else "gloo")
            ids = [self.device.index] if self.device.type == "cuda" else None
            self.wrapped = nn.parallel.DistributedDataParallel(self.net, device_ids=ids)

    @property
    def weights_path(self) -> Path:
        return self.settings.out / f"{self.settings.name}.safetensors"

    @property
    def state_path(self) -> Path:
        return self.settings.out / f"{self.settings.name}.state.pt"

    def log(self, line: str) -> None:
        """Prints and appends to `out/name.txt` (first process only)."""
        if self.rank == 0:
            print(f"[{self.settings.name}] {line}", flush=True)
            with open(self.settings.out / f"{self.settings.name}.txt", "a") as file:
                file.write(line + "\n")

    def progress(self) -> float:
        """How much of the run is over, in [0, 1]; the same on every process."""
        settings = self.settings
        done = self.step / max(1, settings.steps)
        if settings.minutes:
            done = max(done, (time.time() - settings.start) / (60 * settings.minutes))
        if self.ranks > 1:
            import torch.distributed as distributed

            shared = torch.tensor(done, device=self.device)
            distributed.all_reduce(shared, distributed.ReduceOp.MAX)
            done = float(shared)
        return min(1.0, done)

    def rate(self, progress: float) -> float:
        """Learning rate: warm-up, then a cosine down to 1 %."""
        warm = min(1.0, (self.step + 1) / max(1, self.settings.warmup))
        cosine = 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * progress))
        return self.settings.learning_rate * warm * cosine

    def run(self, batches: Callable[[int], Any]) -> Path:
        """Trains to the end of the steps or minutes and returns the path of the weights."""
        settings = self.settings
        self.net.train()
        started = saved = time.time()
        first, shown = self.step, 0
        sums: dict[str, torch.Tensor] = {}
        while (progress := self.progress()) < 1:
            self.fraction = progress
            for group in self.optimizer.param_groups:
                group["lr"] = self.rate(progress) * group.get("factor", 1.0)
            batch = batches(self.step)
            with half(str(self.device)):
                loss, parts = self.loss(self.wrapped, batch)
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(self.net.parameters(), settings.clip)
            self.optimizer.step()
            self.step += 1
            self._average()
            for key, value in {"loss": loss, **parts}.items():
                sums[key] = sums.get(key, torch.zeros((), device=self.device)) + value.detach()
            shown += 1
            if self.step % settings.log_steps == 0 or self.step - first == 10:
                speed = (self.step - first) / (time.time() - started)
                values = " ".join(f"{k} {float(v) / shown:.4f}" for k, v in sums.items())
                self.log(f"step {self.step} {100 * progress:.1f} % {speed:.2f} steps/s {values}")
                if not math.isfinite(float(sums["loss"])):
                    raise FloatingPointError(f"the loss is not a number at step {self.step}")
                sums, shown = {}, 0
            if time.time() - saved > settings.save_seconds:
                self.save()
                saved = time.time()
        self.save()
        self.log(f"end step {self.step} after {time.time() - started:.0f} s")
        if self.ranks > 1:
            torch.distributed.destroy_process_group()
        return self.weights_path

    @torch.no_grad()
    def _average(self) -> None:
        decay = min(self.settings.average, (1 + self.step) / (10 + self.step))
        new = self.net.state_dict()
        real = [k for k, v in new.items() if v.is_floating_point()]
        for key in real:
            self.average[key].lerp_(new[key], 1 - decay)

    def save(self) -> None:
        """Averaged weights (fp16) and the state to resume from (first process only)."""
        if self.rank:
            return
        about = {**self.about, "step": str(self.step), "seed": str(self.settings.seed)}
        save_half(self.average, self.weights_path, about)
        state = {
            "step": self.step,
            "net": self.net.state_dict(),
            "average": self.average,
            "optimizer": self.optimizer.state_dict(),
        }
        beside = self.state_path.with_suffix(".part")
        torch.save(state, beside)
        if beside.stat().st_size > STATE_LIMIT:
            small = {k: v.half() if v.is_floating_point() else v for k, v in state["net"].items()}
            torch.save({"step": self.step, "net": small}, beside)
        beside.replace(self.state_path)

    def _resume(self) -> None:
        """Full state, else weights and step, else the averaged weights alone."""
        from safetensors import safe_open
        from safetensors.torch import load_file

        found = False
        if self.weights_path.exists():
            average = {k: v.float() for k, v in load_file(self.weights_path).items()}
            self.net.load_state_dict(average, strict=False)
            with safe_open(self.weights_path, "pt") as file:
                self.step = int((file.metadata() or {}).get("step", 0))
            found = True
            self.average = {k: v.detach().clone() for k, v in self.net.state_dict().items()}
        if self.state_path.exists():
            state = torch.load(self.state_path, map_location=self.device, weights_only=True)
            self.net.load_state_dict(state["net"])
            self.step = state["step"]
            found = True
            if "average" in state:
                self.average = state["average"]
            if "optimizer" in state:
                self.optimizer.load_state_dict(state["optimizer"])
        if not found:
            raise BadInput(f"nothing to resume in {self.settings.out}: leave out --resume")
        self.log(f"resumed at step {self.step}")
