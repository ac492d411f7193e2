"""Writes a LoRA golden directory for `npm run golden -- <dir>`: peft's adapter on a golden model, by LeRobot's own code.

Needs torch, transformers, peft and a LeRobot source tree on PYTHONPATH; not needed to build or test zk0.
Usage: make_lora_golden.py <base golden dir> <out-dir>
The adapter is on the modules that LeRobot targets by default and is saved by peft itself; its B matrices, which start
at zero, are drawn at random, so that the adapter does something.
"""

import json
import os
import sys
from pathlib import Path

import torch
from make_smolvla_golden import adamw_trace, make_policy, sampled, scheduled_lr
from safetensors.torch import load_file, save_file


def main():
    base, out = Path(sys.argv[1]).resolve(), Path(sys.argv[2])
    out.mkdir(parents=True, exist_ok=True)
    reference = json.loads((base / "golden.json").read_text())
    cfg = reference["config"]
    policy = make_policy(cfg)
    policy.load_state_dict(load_file(base / "model.safetensors"), strict=True)
    policy.config.pretrained_path = os.path.relpath(base, out)
    adapted = policy.wrap_with_peft(peft_cli_overrides={"r": 3, "lora_alpha": 8})
    generator = torch.Generator().manual_seed(cfg["seed"] + 3)
    with torch.no_grad():
        for name, p in adapted.named_parameters():
            if "lora_A" in name or "lora_B" in name:
                p.copy_(torch.randn(p.shape, generator=generator) * (0.3 if "lora_B" in name else p.shape[1] ** -0.5))
    adapted.save_pretrained(out)
    (out / "README.md").unlink(missing_ok=True)

    known = load_file(base / "golden.safetensors")
    batch = {k.removeprefix("batch."): v for k, v in known.items() if k.startswith("batch.")}
    noise, time = batch.pop("noise"), batch.pop("time")

    def saved_name(name):
        return name.replace(".default.", ".")

    loss, _ = adapted.forward(dict(batch), noise, time)
    loss.backward()
    grads = {f"grad.{saved_name(n)}": p.grad.clone() for n, p in adapted.named_parameters() if p.requires_grad}
    with torch.no_grad():
        tensors = {"out.loss_per_sample": adapted.forward(dict(batch), noise, time, reduction="none")[0]}
    images, masks = policy.prepare_images(dict(batch))
    args = (images, masks, batch["observation.language.tokens"], batch["observation.language.attention_mask"],
            policy.prepare_state(dict(batch)))
    adapted.eval()
    rtc = {"inference_delay": 2, "execution_horizon": 5, "schedule": "LINEAR", "max_guidance_weight": 10.0}
    tensors |= sampled(policy, cfg, args, noise, rtc)
    sched = {"warmup": 2, "decay": 20, "decay_lr": 2.5e-5, "clip": 0.5}
    const, after = adamw_trace(adapted, cfg, batch, noise, time, 3, lambda step: 1e-3, 10.0)
    scheduled, _ = adamw_trace(adapted, cfg, batch, noise, time, 5, scheduled_lr(cfg, sched), sched["clip"])
    save_file({k: v.contiguous().clone() for k, v in tensors.items()}, out / "golden.safetensors")
    save_file({k: v.contiguous() for k, v in grads.items()}, out / "grads.safetensors")
    save_file({saved_name(k): v.contiguous() for k, v in after.items()}, out / "params_after_3_steps.safetensors")
    (out / "golden.json").write_text(json.dumps({
        "base": os.path.relpath(base, out), "loss": loss.item(),
        "trainable_names": [saved_name(n) for n, p in adapted.named_parameters() if p.requires_grad],
        "n_trainable": sum(p.numel() for p in adapted.parameters() if p.requires_grad),
        "adamw_const_lr": const, "adamw_lerobot_sched_clip0.5": scheduled, "sched": sched, "rtc": rtc}, indent=1))
    print("loss", loss.item(), "base loss", reference["loss"])


main()
