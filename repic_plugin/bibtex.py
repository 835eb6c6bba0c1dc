"""

@article{Cameron2024,
  title   = {{REliable PIcking by Consensus (REPIC): a consensus methodology for harnessing multiple cryo-EM particle pickers}},
  author  = {Cameron, Christopher J. F. and Seager, Sebastian J. H. and Sigworth, Fred J. and Tagare, Hemant D. and Gerstein, Mark B.},
  journal = {Communications Biology},
  volume  = {7},
  year    = {2024},
  doi     = {http://doi.org/10.1038/s42003-024-07045-0}
}

@article{DawidSkene1979,
  title   = {{Maximum Likelihood Estimation of Observer Error-Rates Using the EM Algorithm}},
  author  = {Dawid, A. P. and Skene, A. M.},
  journal = {Applied Statistics},
  volume  = {28},
  number  = {1},
  pages   = {20-28},
  year    = {1979},
  doi     = {http://doi.org/10.2307/2346806}
}

@article{Harauz1986,
  title   = {{Exact filters for general geometry three dimensional reconstruction}},
  author  = {Harauz, George and van Heel, Marin},
  journal = {Optik},
  volume  = {73},
  pages   = {146-156},
  year    = {1986}
}

@article{Huangfu2018,
  title   = {{Parallelizing the dual revised simplex method}},
  author  = {Huangfu, Q. and Hall, J. A. J.},
  journal = {Mathematical Programming Computation},
  volume  = {10},
  pages   = {119-142},
  year    = {2018},
  doi     = {http://doi.org/10.1007/s12532-017-0130-5}
}

@article{Rosenthal2003,
  title   = {{Optimal determination of particle orientation, absolute hand, and contrast loss in single-particle electron cryomicroscopy}},
  author  = {Rosenthal, Peter B. and Henderson, Richard},
  journal = {Journal of Molecular Biology},
  volume  = {333},
  number  = {4},
  pages   = {721-745},
  year    = {2003},
  doi     = {http://doi.org/10.1016/j.jmb.2003.07.013}
}

@article{Wang2016,
  title   = {{DeepPicker: A deep learning approach for fully automated particle picking in cryo-EM}},
  author  = {Wang, Feng and Gong, Huichao and Liu, Gaochao and Li, Meijing and Yan, Chuangye and Xia, Tian and Li, Xueming and Zeng, Jianyang},
  journal = {Journal of Structural Biology},
  volume  = {195},
  number  = {3},
  pages   = {325-336},
  year    = {2016},
  doi     = {http://doi.org/10.1016/j.jsb.2016.07.006}
}

@article{Xu2016,
  title   = {{Unsupervised Cryo-EM Data Clustering through Adaptively Constrained K-Means Algorithm}},
  author  = {Xu, Yaofang and Wu, Jiayi and Yin, Chang-Cheng and Mao, Youdong},
  journal = {PLoS ONE},
  volume  = {11},
  number  = {12},
  pages   = {e0167765},
  year    = {2016},
  doi     = {http://doi.org/10.1371/journal.pone.0167765}
}

"""
