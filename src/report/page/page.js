'use strict';
(() => {
  // Colours: as the system has them, or as asked for. Kept where the browser lets a page keep anything.
  const button = document.getElementById('theme');
  const themes = ['auto', 'light', 'dark'];
  let kept = null;
  try { kept = localStorage.getItem('sqlite-membench-theme'); } catch (_) { /* a file may not */ }
  let theme = themes.includes(kept) ? kept : 'auto';
  const show = () => {
    if (theme === 'auto') delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    button.textContent = 'colours: ' + theme;
  };
  button.addEventListener('click', () => {
    theme = themes[(themes.indexOf(theme) + 1) % themes.length];
    try { localStorage.setItem('sqlite-membench-theme', theme); } catch (_) { /* see above */ }
    show();
  });
  button.hidden = false;
  show();
  // Flame graphs are loaded when they are opened.
  for (const flame of document.querySelectorAll('details.flame')) {
    flame.addEventListener('toggle', () => {
      const frame = flame.querySelector('iframe');
      // When the frame has its width.
      if (flame.open && frame && !frame.src) {
        requestAnimationFrame(() => requestAnimationFrame(() => { frame.src = frame.dataset.src; }));
      }
    });
  }
  // On paper nothing can be opened.
  const closed = [];
  addEventListener('beforeprint', () => {
    for (const one of document.querySelectorAll('details:not([open]):not(.flame)')) {
      closed.push(one);
      one.open = true;
    }
  });
  addEventListener('afterprint', () => { for (const one of closed.splice(0)) one.open = false; });
})();
