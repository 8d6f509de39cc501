// Sets a theme that was chosen before the first paint; without one, the system's is used. Loaded before all else.
const chosenTheme = localStorage.getItem("theme");
if (chosenTheme) document.documentElement.dataset.theme = chosenTheme;
