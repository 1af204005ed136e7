// Browsers refuse workers to pages that were opened from a folder, and the site's search runs in one. There a hidden frame
// takes the worker's place: the script runs in the frame, and messages go to and fro as they would.
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(address) {
      super();
      const frame = document.createElement("iframe");
      frame.hidden = true;
      document.body.append(frame);
      this.inside = frame.contentWindow;
      this.inside.document.open();
      this.inside.document.close();
      this.inside.postMessage = (data) => this.dispatchEvent(new MessageEvent("message", { data }));
      this.waiting = [];
      const script = this.inside.document.createElement("script");
      script.addEventListener("load", () => {
        const early = this.waiting;
        this.waiting = null;
        early.forEach((data) => this.postMessage(data));
      });
      script.src = new URL(address, location.href).href;
      this.inside.document.body.append(script);
    }

    postMessage(data) {
      if (this.waiting) {
        this.waiting.push(data);
      } else {
        this.inside.dispatchEvent(new this.inside.MessageEvent("message", { data: structuredClone(data) }));
      }
    }

    terminate() {
      this.inside.frameElement.remove();
    }
  };
}
